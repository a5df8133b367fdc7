const { id, createdOn, state, flags, nlu, ...rest } = event
console.log(JSON.stringify({ ...rest, threadId: event.threadId && 'CONVERSATION' }), typeof event.threadId, event.suggestions.length, event.decision, event.isPause)
console.log(/^\d{18}$/.test(id), Math.abs(Number(id.slice(0, 13)) - Date.now()) < 3600e3, createdOn instanceof Date && Math.abs(createdOn - Date.now()) < 3600e3, JSON.stringify(flags), Object.keys(state).sort().join())
console.log(JSON.stringify(nlu), JSON.stringify(state))
