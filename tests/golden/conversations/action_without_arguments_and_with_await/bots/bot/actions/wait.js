const done = await new Promise(resolve => setTimeout(() => resolve(args), 5))
console.log('done', done)
if (done) return
console.log('never')
