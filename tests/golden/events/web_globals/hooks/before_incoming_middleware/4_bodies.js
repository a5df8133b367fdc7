const headers = new Headers({ 'Content-Type': 'text/x', b: ' 2 ' })
headers.append('B', '3')
headers.append('Set-Cookie', 'a=1')
headers.append('set-cookie', 'b=2')
headers.set('a', 'ü')
console.log([...headers], headers.get('b'), headers.get('no'), headers.has('CONTENT-TYPE'), headers.getSetCookie())
headers.delete('b')
headers.forEach((value, name, all) => console.log(name, value, all === headers))
console.log([...new Headers([['x', '1']]).keys()], [...new Headers(headers).values()].length)
for (const wrong of [() => new Headers({ 'a b': '1' }), () => headers.set('x', 'a\r\nb'), () => headers.set('x', '€'), () => new Headers('x'), () => new Headers([['a']])]) {
  try {
    wrong()
  } catch (error) {
    console.log(error.name, error.message)
  }
}
const response = new Response('{"a":[1]}', { status: 201, statusText: 'Made', headers: { 'content-type': 'application/json' } })
const copy = response.clone()
console.log(response.status, response.ok, response.statusText, response.bodyUsed, await response.json(), response.bodyUsed, await copy.text())
console.log(new Uint8Array(await new Response('é').arrayBuffer()), await new Response(new Uint8Array([0xc3, 0xa9, 0xff])).text(), (await new Response().text()).length)
console.log(await Response.json({ a: 1 }).json(), new Response(null, { status: 404 }).ok, (await new Response('x', { headers: { 'content-type': 'text/y' } }).blob()).type)
console.log(Object.fromEntries(await new Response(new URLSearchParams({ a: 'b c' })).formData()))
const request = new Request('HTTP://Example.org', { method: 'post', body: new URLSearchParams({ a: '1' }) })
console.log(request.url, request.method, request.headers.get('content-type'), request.redirect, request.signal.aborted, await request.clone().text())
console.log(new Request(request, { method: 'purge', headers: { x: 'y' } }).method, [...new Request(request, { headers: { x: 'y' } }).headers])
const blob = new Blob(['ab', new Uint8Array([99]), new Blob(['d'])], { type: 'Text/Plain' })
console.log(blob.size, blob.type, await blob.text(), await blob.slice(1, 3).text(), new File([blob], 'n.txt').name)
const form = new FormData()
form.append('a', 1)
form.append('a', 2)
form.append('file', blob, 'x".txt')
form.set('b', 'c')
console.log([...form.keys()], form.getAll('a'), form.get('file').name, form.has('z'))
form.delete('a')
const sent = new Request('http://x', { method: 'POST', body: form })
const boundary = sent.headers.get('content-type').split('boundary=')[1]
console.log(JSON.stringify((await sent.text()).replaceAll(boundary, 'BOUNDARY')))
for (const wrong of [
  () => response.text(),
  () => new Response('', { status: 99 }),
  () => new Request('/x'),
  () => new Request('http://x', { method: 'CONNECT' }),
  () => new Request('http://x', { redirect: 'maybe' }),
  () => new Request('http://x', { signal: {} }),
  () => new Request('http://x', { body: { getReader() {} }, method: 'POST' }),
  () => Promise.resolve(new Response('<html>')).then(page => page.json())
]) {
  try {
    await wrong()
  } catch (error) {
    console.log(error.name, error.message)
  }
}
// What the log shows of them.
console.log(new URL('http://a/b?c=d'), new URLSearchParams('a=1&b=2'), new Headers({ 'X-A': 'b' }), AbortSignal.abort())
console.log(new Response('x', { status: 201 }), new Request('http://a', { method: 'post', body: 'x' }))
console.log({ form, blob, file: new File(['x'], 'n.txt') }, Object.create(URL.prototype))
