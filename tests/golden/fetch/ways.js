const get = await fetch(base + '/a b?q=ü#part', { headers: { 'X-Own': 'yes' } })
say([get.status, get.ok, get.statusText, get.url, get.redirected, get.type, get.headers.get('Content-Type')], await get.json())
const bodies = [
  'text ü',
  new URLSearchParams({ a: 'b c' }),
  new Uint8Array([1, 255]),
  new Uint8Array([0, 1, 255, 3]).subarray(1, 3),
  new Uint8Array([7]).buffer,
  new Blob(['blob'], { type: 'text/x' }),
  ''
]
for (const body of bodies) say(await (await fetch(base, { method: 'POST', body })).json())
say(await (await fetch(new Request(base + '/put', { method: 'put', body: '{}', headers: { 'content-type': 'application/json' } }))).json())
say(await (await fetch(new URL(base + '/url'), { method: 'DELETE' })).json())
const bytes = await fetch(base + '/bytes')
say(Array.from(new Uint8Array(await bytes.clone().arrayBuffer())), await bytes.text())
const empty = await fetch(base + '/empty')
say([empty.status, await empty.text()])
const head = await fetch(base + '/html', { method: 'HEAD' })
say([head.status, head.headers.get('content-length'), await head.text()])
const failed = await fetch(base + '/status/503')
say([failed.ok, failed.status, failed.statusText, failed.headers.get('retry-after'), failed.headers.getSetCookie()], await failed.json())
const moved = await fetch(base + '/redirect/3', { method: 'POST', body: 'x' })
say([moved.redirected, moved.url], await moved.json())
const all = await Promise.all([1, 2, 3].map(async number => (await (await fetch(`${base}/${number}`)).json()).uri))
say(all)
