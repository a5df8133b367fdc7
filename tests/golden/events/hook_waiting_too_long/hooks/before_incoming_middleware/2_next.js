console.log('next', typeof event.before)
