if (event.payload.text === 'stuck') return new Promise(resolve => setTimeout(resolve, 2000))
