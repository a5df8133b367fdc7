bp.events.replyToEvent(event, [{ type: 'text', text: '7 of the next hook' }])
