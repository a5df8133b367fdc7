event.before = () => 1
await new Promise(resolve => setTimeout(resolve, 600))
console.log('never said, or late')
