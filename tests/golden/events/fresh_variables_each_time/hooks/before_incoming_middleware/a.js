let count = 0
count++
const name = event.target
class Local {}
var v = typeof v
console.log(count, name)
