console.log('after incoming')
