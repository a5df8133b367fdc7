console.log('own of one')
