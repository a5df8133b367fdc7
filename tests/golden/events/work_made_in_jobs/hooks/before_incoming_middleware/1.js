Promise.resolve().then(() => console.log('job of the first hook'))
queueMicrotask && queueMicrotask(() => console.log('microtask'))
console.log('first hook ends')
