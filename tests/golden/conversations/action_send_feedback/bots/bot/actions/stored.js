const id = (session.lastMessages.filter(turn => turn.eventId !== event.id).pop() || {}).eventId
console.log(JSON.stringify(await bp.kvs.get(event.botId, `feedback/${id}`)), JSON.stringify(await bp.kvs.get(event.botId, 'feedback/12')))
