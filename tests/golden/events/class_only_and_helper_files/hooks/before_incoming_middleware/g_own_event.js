var event = event || {}
var bp = bp
console.log(event.type)
