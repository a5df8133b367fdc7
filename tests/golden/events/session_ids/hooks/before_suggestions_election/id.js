console.log(sessionId)
