Promise.reject(new Error('caught')).catch(error => console.log(error.message))
await bp.kvs.get('a').catch(error => console.log(error.message, error.stack.includes('9_caught.js')))
