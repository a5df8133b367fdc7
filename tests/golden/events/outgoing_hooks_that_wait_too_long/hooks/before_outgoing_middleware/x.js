event.payload.second = true
