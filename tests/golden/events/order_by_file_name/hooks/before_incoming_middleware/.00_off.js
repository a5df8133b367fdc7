console.log('off')
