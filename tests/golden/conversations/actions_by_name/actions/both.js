console.log('the workspace\'s both')
