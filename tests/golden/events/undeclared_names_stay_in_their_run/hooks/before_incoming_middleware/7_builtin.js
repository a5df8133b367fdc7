const kept = Promise
Promise = { mine: true }
console.log(Promise.mine, typeof kept.resolve)
Array.prototype.extra = 1
Object.prototype.polluted = 1
console.log([].extra, {}.polluted)
