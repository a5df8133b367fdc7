event.payload.second = event.constructor === bp.IO.Event
