bp.events.replyToEvent(event, [{ type: 'text', text: 'stuck' }, { type: 'text', text: 'next' }])
