console.log('the event goes on')
