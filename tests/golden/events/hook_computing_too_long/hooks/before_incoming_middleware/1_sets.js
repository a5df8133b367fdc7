event.fn = () => 1
event.date = new Date(0)
event.mine = { a: [1] }
event.setFlag(bp.IO.WellKnownFlags.SKIP_QNA_PROCESSING, true)
bp.events.replyToEvent(event, [{ type: 'text', text: 'before' }])
