if (event.preview === 'text') return Promise.reject('just a text')
return (async () => { await null; throw new TypeError('of ' + event.preview) })()
