console.log('mounted', botId, typeof event)
await bp.kvs.set(botId, 'mounted', true)
