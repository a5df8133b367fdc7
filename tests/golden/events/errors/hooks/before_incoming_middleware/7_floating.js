Promise.reject(new RangeError('nobody looks'))
setTimeout(() => { throw new Error('in a timer') }, 200)
