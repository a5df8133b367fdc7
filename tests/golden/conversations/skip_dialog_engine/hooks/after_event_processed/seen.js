console.log('processed', event.preview)
