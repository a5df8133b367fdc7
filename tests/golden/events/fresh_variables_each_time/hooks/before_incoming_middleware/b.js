const name = 'again'
let count = 5
console.log(name, count)
