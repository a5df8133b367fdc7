return bp.events.replyToEvent(event, [{ type: 'text', text: args.text }])
