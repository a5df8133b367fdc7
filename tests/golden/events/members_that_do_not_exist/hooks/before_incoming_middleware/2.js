const x = 1
  bp.event.replyToEvent(event, [])
