bp.events.replyToEvent(event, [{ type: 'typing', value: 20000 }, { type: 'text', text: 'held' }])
bp.events.replyToEvent({ channel: 'web', target: 'bob', botId: event.botId }, [{ type: 'text', text: 'to bob at once' }])
