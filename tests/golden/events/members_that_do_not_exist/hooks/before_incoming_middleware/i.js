const x = bp.nothing
console.log(x === undefined)
