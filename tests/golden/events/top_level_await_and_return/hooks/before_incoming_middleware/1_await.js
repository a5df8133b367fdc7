const value = await new Promise(resolve => setTimeout(resolve, 5, 'awaited'))
event.first = value
