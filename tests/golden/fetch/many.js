// At most a thousand may be outstanding; they wait for their turn, 32 at a time.
let fine = 0
const why = new Map()
const calls = Array.from({ length: 1200 }, (_, number) => fetch(`${base}/empty?${number}`).then(() => fine++, error => {
  const text = `${error.name} ${error.message}`
  why.set(text, (why.get(text) || 0) + 1)
}))
await Promise.all(calls)
say({ fine }, [...why])
