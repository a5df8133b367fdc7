console.log('02_a')
