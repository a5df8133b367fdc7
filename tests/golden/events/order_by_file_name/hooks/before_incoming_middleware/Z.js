console.log('Z comes before a')
