console.log((function () { return this })() === globalThis, delete event.nothing)
Object.freeze({ a: 1 }).a = 2
with ({ inside: 1 }) console.log(inside)
var octal = 010
console.log(octal)
