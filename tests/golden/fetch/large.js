// Five megabytes are allowed, and a realm has room for them as text and as an object.
const text = await (await fetch(base + '/big/5242880')).text()
say(text.length)
const response = await fetch(base, { method: 'POST', body: new Uint8Array(1000000).fill(255) })
say((await response.json()).body.length)
