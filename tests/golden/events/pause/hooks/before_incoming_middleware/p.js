if (event.payload.text === 'pause') event.isPause = true
event.state.session.n = event.payload.text
bp.events.replyToEvent(event, [{ type: 'text', text: 'said before the pause' }])
