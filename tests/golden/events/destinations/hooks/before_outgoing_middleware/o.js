console.log(event.target, event.threadId === undefined ? 'no thread' : typeof event.threadId, event.incomingEventId)
