event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
event.state.session.count = (event.state.session.count || 0) + 1
event.state.user.last = event.preview
console.log('before', event.target)
bp.events.replyToEvent(event, [{ type: 'text', text: `${event.preview} ${event.state.session.count}` }])
console.log('after')
