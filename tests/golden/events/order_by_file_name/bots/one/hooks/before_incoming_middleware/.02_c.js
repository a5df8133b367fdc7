console.log('own, off')
