var event = event
function bp() { return 'own' }
console.log(event.type, bp())
