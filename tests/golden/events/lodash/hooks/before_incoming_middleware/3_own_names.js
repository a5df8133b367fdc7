// Whoever calls something of their own `_` has that.
{
  const _ = { mine: true }
  console.log(_.mine)
}
for (_ of [1, 2]) console.log(_)
console.log(typeof globalThis._, Object.keys(globalThis).includes('_'))
