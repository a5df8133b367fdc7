console.log('start hooks of a bot do not run')
