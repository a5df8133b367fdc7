console.log('the bot resets')
