Promise = { mine: true }
console.log(Promise.mine)
Array.prototype.extra = 1
console.log([].extra)
Object.prototype.polluted = 1
console.log({}.polluted)
