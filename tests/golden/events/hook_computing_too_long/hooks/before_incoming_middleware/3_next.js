console.log(typeof event.fn, event.date, event.mine, event.loops, event.createdOn instanceof Date, event.hasFlag(bp.IO.WellKnownFlags.SKIP_QNA_PROCESSING), event instanceof bp.IO.Event)
bp.events.replyToEvent(event, [{ type: 'text', text: 'after' }])
