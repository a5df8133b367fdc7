if (event.preview !== 'quick') return new Promise(resolve => setTimeout(resolve, 700))
