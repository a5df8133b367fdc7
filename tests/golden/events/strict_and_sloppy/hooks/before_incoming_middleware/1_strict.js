'use strict'
console.log((function () { return this })() === undefined, typeof arguments, this === module.exports)
try { Object.freeze({ a: 1 }).a = 2 } catch (error) { console.log(error.name) }
