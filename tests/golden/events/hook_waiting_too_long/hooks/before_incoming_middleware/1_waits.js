event.before = () => 1
await new Promise(resolve => setTimeout(resolve, 1500))
console.log('too late for the event')
