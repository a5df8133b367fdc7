bp.realtime.sendPayload({})
