console.log('own of', botId)
throw new Error('while mounting')
