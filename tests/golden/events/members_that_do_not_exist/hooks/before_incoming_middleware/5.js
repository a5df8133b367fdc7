bp.messaging.forBot('x')
