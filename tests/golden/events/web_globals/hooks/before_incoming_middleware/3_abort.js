const controller = new AbortController()
const { signal } = controller
const seen = []
const twice = () => seen.push('listener')
signal.addEventListener('abort', twice)
signal.addEventListener('abort', twice)
signal.addEventListener('abort', { handleEvent: event => seen.push(event.type, event.target === signal) })
const removed = () => seen.push('removed')
signal.addEventListener('abort', removed)
signal.removeEventListener('abort', removed)
signal.onabort = function () { seen.push(this === signal) }
const both = AbortSignal.any([signal, AbortSignal.timeout(60000)])
both.addEventListener('abort', () => seen.push('both'))
console.log(signal.aborted, signal.reason, both.aborted)
controller.abort()
controller.abort('too late')
console.log(seen, signal.aborted, signal.reason.name, signal.reason.message, both.reason === signal.reason)
console.log(AbortSignal.abort('why').reason, AbortSignal.any([AbortSignal.abort(7)]).reason, AbortSignal.any([]).aborted)
const late = AbortSignal.timeout(1)
const reason = await new Promise(done => { late.onabort = () => done(late.reason) })
console.log(reason.name, reason.message, reason.stack.includes('3_abort.js:'))
// Nobody looks at this one: the event is over long before.
AbortSignal.timeout(3600000)
for (const wrong of [() => new AbortSignal(), () => AbortSignal.timeout(-1), () => signal.throwIfAborted(), () => AbortSignal.any([{}])]) {
  try {
    wrong()
  } catch (error) {
    console.log(error.name, error.message)
  }
}
