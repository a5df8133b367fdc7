console.log('fine')
