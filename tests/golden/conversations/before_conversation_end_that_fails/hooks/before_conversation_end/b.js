console.log('the next hook')
