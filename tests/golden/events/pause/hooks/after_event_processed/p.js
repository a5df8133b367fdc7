console.log('processed')
