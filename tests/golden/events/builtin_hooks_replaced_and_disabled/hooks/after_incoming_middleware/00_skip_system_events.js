console.log('mine in place of the built-in one')
