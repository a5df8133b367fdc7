console.log('started', await bp.kvs.get('one', 'mounted'), typeof botId, Object.keys(bp).sort().join())
bp.events.sendEvent(bp.IO.Event({ type: 'made at start', channel: 'web', target: 'ann', direction: 'incoming', botId: 'two', payload: { text: 'x' } }))
