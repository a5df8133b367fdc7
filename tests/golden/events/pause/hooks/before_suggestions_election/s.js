console.log('election')
