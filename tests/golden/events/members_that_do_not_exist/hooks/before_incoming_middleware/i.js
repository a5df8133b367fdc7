const x = bp.experimental
console.log(x === undefined)
