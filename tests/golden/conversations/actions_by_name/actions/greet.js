console.log('never: the bot has its own')
