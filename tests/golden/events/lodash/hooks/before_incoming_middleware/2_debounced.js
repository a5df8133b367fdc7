await new Promise(done => _.delay(done, 1))
const seen = []
const add = _.debounce(x => seen.push(x), 1)
add(1)
add(2)
await new Promise(done => setTimeout(done, 20))
console.log(seen)
