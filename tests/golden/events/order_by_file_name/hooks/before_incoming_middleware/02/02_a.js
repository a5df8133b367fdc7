console.log('02/02_a')
