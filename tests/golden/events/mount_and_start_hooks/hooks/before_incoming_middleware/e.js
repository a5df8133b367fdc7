console.log(event.type, event.botId, event.threadId === undefined)
