console.log('never')
