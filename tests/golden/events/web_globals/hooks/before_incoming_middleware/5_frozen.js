// What an event changes is not there for the next one.
const names = ['fetch', 'URL', 'URLSearchParams', 'Headers', 'Request', 'Response', 'AbortController', 'AbortSignal', 'TextEncoder', 'TextDecoder', 'FormData', 'Blob', 'File']
console.log(names.every(name => Object.isFrozen(globalThis[name]) && (!globalThis[name].prototype || Object.isFrozen(globalThis[name].prototype))))
globalThis.fetch = 1
URL.mine = 1
URL.prototype.mine = 1
Object.getOwnPropertyDescriptor(URL.prototype, 'href').get.mine = 1
Response.prototype.json = () => 'changed'
console.log(typeof fetch, URL.mine, new URL('http://a').mine, Object.getOwnPropertyDescriptor(URL.prototype, 'href').get.mine, await new Response('1').json())
class Mine extends URL { toString() { return 'mine' } }
console.log(String(new Mine('http://a')), Object.keys(globalThis).length, names.filter(name => !(name in globalThis)))
fetch = () => 'local'
console.log(fetch(), globalThis.fetch === fetch)
