if (event.payload.text.includes('waits')) return new Promise(resolve => setTimeout(resolve, 30))
