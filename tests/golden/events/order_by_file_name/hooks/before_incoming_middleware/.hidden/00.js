console.log('hidden folder')
