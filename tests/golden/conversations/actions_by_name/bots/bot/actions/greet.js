console.log('the bot\'s greet')
