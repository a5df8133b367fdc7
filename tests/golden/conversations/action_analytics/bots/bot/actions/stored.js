const days = await bp.kvs.get(event.botId, 'analytics/orders')
console.log(JSON.stringify(days[event.createdOn.toISOString().slice(0, 10)]))
