Promise.resolve().then(() => bp.events.replyToEvent(event, [{ type: 'text', text: 'x' }]))
