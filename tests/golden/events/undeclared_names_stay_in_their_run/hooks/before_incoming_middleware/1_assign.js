console.log(typeof foo, typeof bar, typeof list)
foo = event.payload.text
function inner() { bar = 2 }
inner()
for (i of [1]) list = [i]
console.log(foo, bar, list)
