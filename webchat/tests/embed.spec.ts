/** The chat in people's pages: what it covers, what it costs them, several of them, and pages that forbid nearly everything. */

import { brotliCompressSync } from 'node:zlib'
import {
  button,
  chat,
  embedding,
  expect,
  forgive,
  GREETER,
  replies,
  shot,
  snippet,
  test,
  type Nudge,
  type Page
} from './support'

const TRIGGER = `window.botpressWebChat.sendEvent({ type: 'proactive-trigger', channel: 'web', payload: { text: 'fake message' } })`

test('what comes while the chat is closed shows as a badge and beside the button, and is read by opening', async ({
  page,
  serve,
  site
}) => {
  const nudge = await serve({ ...GREETER, ...snippet(2) })
  const host = await site({ '/': embedding(nudge.url, TRIGGER) })
  await page.goto(`${host.url}/`)
  await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveText('1')
  await expect(chat(page).locator('.bpw-teaser-preview')).toHaveText('Hello! I speak first.')
  await expect(page.locator('#bp-widget')).toHaveClass(/bp-widget-teaser/)
  await shot(page, 'embed-teaser')
  await chat(page).locator('.bpw-teaser-open').click()
  await expect(replies(page)).toHaveText(['Hello! I speak first.'])
  await expect(page.locator('#bp-widget')).toHaveClass(/bp-widget-side/)
  await shot(page, 'embed-open')
  await chat(page).getByRole('button', { name: 'Close' }).click()
  await expect(page.locator('#bp-widget')).toHaveClass('bp-widget-web bp-widget-widget')
  await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveCount(0)
  await shot(page, 'embed-closed')
})

test('a teaser may be switched off, and waved away', async ({ page, serve, site }) => {
  const nudge = await serve({ ...GREETER, ...snippet(2) })
  const host = await site({
    '/': embedding(nudge.url, TRIGGER),
    '/without': embedding(nudge.url, TRIGGER, { showTeaser: false, userIdScope: 'other' })
  })
  await page.goto(`${host.url}/`)
  await chat(page).locator('.bpw-teaser-close').click()
  await expect(chat(page).locator('.bpw-teaser')).toHaveCount(0)
  await expect(page.locator('#bp-widget')).toHaveClass('bp-widget-web bp-widget-widget')
  await page.goto(`${host.url}/without`)
  await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveText('1')
  await expect(chat(page).locator('.bpw-teaser')).toHaveCount(0)
})

test('a closed chat covers only its corner, in pages of either direction', async ({ page, serve, site }) => {
  const nudge = await serve()
  const host = await site({
    '/': embedding(nudge.url),
    '/rtl': embedding(nudge.url).replace('<html lang="en">', '<html lang="ar" dir="rtl">')
  })
  for (const [path, left] of [
    ['/', 1000],
    ['/rtl', 0]
  ] as const) {
    await page.goto(host.url + path)
    await expect(button(page)).toBeVisible()
    const box = await page.locator('#bp-widget').boundingBox()
    expect(box, path).toEqual({ x: left, y: 620, width: 100, height: 100 })
  }
})

test('the button stays where it is when the teaser comes, whatever the language of the chat', async ({
  page,
  serve,
  site
}) => {
  const nudge = await serve()
  const trigger = `setTrigger = () => window.botpressWebChat.sendEvent({ type: 'proactive-trigger' })`
  const host = await site({
    '/': embedding(nudge.url, trigger, { locale: 'ar' }),
    '/rtl': embedding(nudge.url, trigger, { locale: 'en' }).replace('<html lang="en">', '<html lang="ar" dir="rtl">')
  })
  for (const path of ['/', '/rtl']) {
    await page.goto(host.url + path)
    await expect(button(page)).toBeVisible()
    const before = await button(page).boundingBox()
    await page.evaluate('setTrigger()')
    await expect(chat(page).locator('.bpw-teaser')).toBeVisible()
    expect(await button(page).boundingBox(), path).toEqual(before)
  }
})

test('the author of a page without a chat is told why, once, and nothing stands in the page', async ({
  page,
  serve,
  site,
  complaints
}) => {
  const nudge = await serve({ ...GREETER, 'bots/secret/bot.config.json': '{ "name": "S", "private": true }' })
  const closed = await serve({
    ...GREETER,
    'config/channel-web.json': '{ "frameAncestors": ["https://other.example"] }'
  })
  const shop = await site()
  const away = await site()
  // A place where no server is any more.
  await away.stop()
  const inits = [
    { host: nudge.url, botId: 'secret', chatId: 'b' },
    { host: shop.url, botId: 'greeter', chatId: 'c' },
    { host: away.url, botId: 'greeter', chatId: 'd' },
    { host: closed.url, botId: 'greeter', chatId: 'e' }
  ].map(config => `window.botpressWebChat.init(${JSON.stringify(config)})`)
  const host = await site({ '/': embedding(nudge.url, inits.join('\n'), { botId: 'gone' }) })
  await page.goto(host.url)
  const reasons = [
    `there is no bot "gone" on ${nudge.url}: `,
    'the bot "secret" is private, ',
    `what answers at ${shop.url}/lite/greeter/ is no server of bots, `,
    `${away.url}/lite/greeter/ could not be reached: `,
    'the bot "greeter" is there, but this page does not let its chat in: '
  ].map(reason => `no chat in this page: ${reason}`)
  const ours = () => complaints.filter(text => text.includes('nudge:'))
  await expect.poll(() => ours().length).toBe(reasons.length)
  for (const reason of reasons)
    expect(
      ours().filter(text => text.includes(reason)),
      reason
    ).toHaveLength(1)
  for (const frame of await page.locator('iframe').all())
    expect(await frame.boundingBox()).toMatchObject({ width: 0, height: 0 })
  forgive(
    complaints,
    /nudge: no chat in this page|status of 40[014]|ERR_CONNECTION_REFUSED|ERR_FAILED|blocked by CORS policy|frame-ancestors/
  )
})

test('the composer takes as much as the server does', async ({ page, serve, site }) => {
  const nudge = await serve({
    ...GREETER,
    'config/channel-web.json': '{ "maxMessageLength": 20, "maxFileSize": "1kb" }'
  })
  const host = await site({ '/': embedding(nudge.url, `window.botpressWebChat.sendEvent({ type: 'show' })`) })
  await page.goto(host.url)
  const frame = chat(page)
  await frame.locator('textarea').fill('twenty letters, not more')
  await expect(frame.locator('.bpw-send-button')).toBeDisabled()
  await frame
    .locator('input[type=file]')
    .first()
    .setInputFiles({ name: 'a.txt', mimeType: 'text/plain', buffer: Buffer.alloc(2000) })
  await expect(frame.getByText('This file is too large')).toBeVisible()
})

test('an open chat is the whole of a small screen, and a column of a large one as wide as the page says', async ({
  page,
  serve,
  site
}) => {
  const nudge = await serve()
  const show = `window.botpressWebChat.sendEvent({ type: 'show' })`
  const host = await site({
    '/': embedding(nudge.url, show),
    '/wide': embedding(nudge.url, show, { containerWidth: 480 })
  })
  await page.goto(`${host.url}/`)
  await expect(chat(page).locator('textarea')).toBeVisible()
  expect(await page.locator('#bp-widget').boundingBox()).toEqual({ x: 740, y: 0, width: 360, height: 720 })
  await page.goto(`${host.url}/wide`)
  await expect(chat(page).locator('textarea')).toBeVisible()
  expect(await page.locator('#bp-widget').boundingBox()).toEqual({ x: 620, y: 0, width: 480, height: 720 })
  await page.setViewportSize({ width: 390, height: 780 })
  expect(await page.locator('#bp-widget').boundingBox()).toEqual({ x: 0, y: 0, width: 390, height: 780 })
  await shot(page, 'embed-phone')
})

test('several chats live on one page, each with its bot', async ({ page, serve, site }) => {
  const talker = (text: string) => GREETER['bots/greeter/flows/main.flow.json']!.replace('Hello! I speak first.', text)
  const nudge = await serve({
    'bots/sales/bot.config.json': '{ "name": "Sales" }',
    'bots/sales/flows/main.flow.json': talker('Buy something.'),
    'bots/help/bot.config.json': '{ "name": "Help" }',
    'bots/help/flows/main.flow.json': talker('Can I help?')
  })
  const script = `
  window.botpressWebChat.init({ host: '${nudge.url}', botId: 'help', chatId: 'help-chat' })
  window.botpressWebChat.sendEvent({ type: 'proactive-trigger', channel: 'web' }, 'help-chat')
  window.heard = []
  window.addEventListener('message', event => window.heard.push(event.data))
  `
  const host = await site({ '/': embedding(nudge.url, script, { botId: 'sales' }) })
  await page.goto(`${host.url}/`)
  await expect(chat(page, '#help-chat > iframe').locator('.bpw-floating-button-unread')).toHaveText('1')
  await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveCount(0)
  await page.evaluate(() => {
    window.botpressWebChat!.sendEvent({ type: 'show' }, 'help-chat')
    window.botpressWebChat!.sendEvent({ type: 'proactive-trigger', channel: 'web' })
  })
  await expect(replies(page, '#bp-widget-help-chat')).toHaveText(['Can I help?'])
  await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveText('1')
  // The page can tell them apart, too; it may hear of a message after the chat has shown it.
  const heard = (text: string) =>
    page.evaluate(text => {
      const all = (window as unknown as { heard: { chatId?: string; payload?: { text?: string } }[] }).heard
      const found = all.find(message => message.payload?.text === text)
      return found && { chatId: found.chatId ?? null }
    }, text)
  await expect.poll(() => heard('Can I help?')).toEqual({ chatId: 'help-chat' })
  await expect.poll(() => heard('Buy something.')).toEqual({ chatId: null })
})

/** A page with two chats; the second is called `b`. */
const two = ({ url }: Nudge) =>
  embedding(url, `window.botpressWebChat.init({ host: '${url}', botId: 'greeter', chatId: 'b' })`)

/** Where their frames are, without fractions. */
const places = (page: Page) =>
  page.evaluate(() =>
    ['bp-widget', 'bp-widget-b'].map(id => {
      const { x, y, width, height } = document.getElementById(id)!.getBoundingClientRect()
      return [x, y, width, height].map(Math.round)
    })
  )

test('of several chats none covers another, closed or open, whichever way the page is written', async ({
  page,
  serve,
  site
}) => {
  const nudge = await serve()
  const html = two(nudge)
  const host = await site({ '/': html, '/rtl': html.replace('lang="en"', 'lang="ar" dir="rtl"') })
  const show = (chatId?: string, type = 'show') =>
    page.evaluate(([type, id]) => window.botpressWebChat!.sendEvent({ type }, id), [type, chatId] as const)
  const button = [100, 620, 100, 100]
  await page.goto(`${host.url}/`)
  await expect
    .poll(() => places(page))
    .toEqual([
      [1000, ...button.slice(1)],
      [900, ...button.slice(1)]
    ])
  await shot(page, 'embed-two')
  await show('b')
  await expect
    .poll(() => places(page))
    .toEqual([
      [1000, ...button.slice(1)],
      [640, 0, 360, 720]
    ])
  await show()
  await expect
    .poll(() => places(page))
    .toEqual([
      [740, 0, 360, 720],
      [380, 0, 360, 720]
    ])
  await shot(page, 'embed-two-open')
  await show('b', 'hide')
  await expect
    .poll(() => places(page))
    .toEqual([
      [740, 0, 360, 720],
      [640, ...button.slice(1)]
    ])
  // Where there is no room for both, neither is out of sight.
  await show('b')
  await page.setViewportSize({ width: 600, height: 720 })
  await expect
    .poll(() => places(page))
    .toEqual([
      [240, 0, 360, 720],
      [0, 0, 360, 720]
    ])
  await page.setViewportSize({ width: 390, height: 720 })
  const whole = [0, 0, 390, 720]
  await expect.poll(() => places(page)).toEqual([whole, whole])
  await page.setViewportSize({ width: 1100, height: 720 })
  await page.goto(`${host.url}/rtl`)
  await expect
    .poll(() => places(page))
    .toEqual([
      [0, ...button.slice(1)],
      [100, ...button.slice(1)]
    ])
})

test('what a page says of all its frames does not touch the chat, what it says of the chat does', async ({
  page,
  serve,
  site
}) => {
  const nudge = await serve()
  const styled = (css: string) => embedding(nudge.url).replace('</head>', `<style>${css}</style></head>`)
  const video = `position: relative; display: none; width: 100%; height: auto; min-height: 300px; max-width: 20px;
    aspect-ratio: 16 / 9; opacity: 0; visibility: hidden; transform: scale(0.1); pointer-events: none; margin: 1em`
  const host = await site({
    '/all': styled(`iframe { ${video} }`),
    // As in docs/webchat.md.
    '/others': styled(`iframe:not(.bp-widget-web) { ${video.replaceAll(';', ' !important;')} }`),
    '/one': styled(`#bp-widget { inset-block-end: 50px } .bp-widget-web.bp-widget-widget { width: 150px }`)
  })
  for (const [path, expected] of [
    ['/all', { x: 1000, y: 620, width: 100, height: 100 }],
    ['/others', { x: 1000, y: 620, width: 100, height: 100 }],
    ['/one', { x: 950, y: 570, width: 150, height: 100 }]
  ] as const) {
    await page.goto(host.url + path)
    await expect.poll(() => page.locator('#bp-widget').boundingBox(), path).toEqual(expected)
    await button(page).click()
    await expect(chat(page).locator('textarea')).toBeVisible()
  }
})

test('a chat that the page puts elsewhere is left there, and is in nobody\u2019s way', async ({
  page,
  serve,
  site
}) => {
  const nudge = await serve()
  const styled = (css: string) => two(nudge).replace('</head>', `<style>${css}</style></head>`)
  const host = await site({
    // As in docs/webchat.md.
    '/second': styled('#bp-widget-b { inset-inline: 0 auto }'),
    '/first': styled('#bp-widget { inset-inline: 0 auto }'),
    '/above': styled('#bp-widget-b { inset-block-end: 100px }')
  })
  const at = (...starts: number[][]) => starts.map(start => [...start, 100, 100])
  for (const [path, expected] of [
    ['/second', at([1000, 620], [0, 620])],
    ['/first', at([0, 620], [1000, 620])],
    ['/above', at([1000, 620], [1000, 520])]
  ] as const) {
    await page.goto(host.url + path)
    await expect.poll(() => places(page), path).toEqual(expected)
  }
})

test('a page of another site has the chat as well, and hears what is said in it', async ({ page, serve, site }) => {
  const nudge = await serve({ ...GREETER, ...snippet(2) })
  const listen = `window.heard = []\nwindow.addEventListener('message', event => window.heard.push(event.data))`
  const host = await site({ '/': embedding(nudge.url, `${listen}\n${TRIGGER}`) }, '127.0.0.1')
  await page.goto(`${host.url}/`)
  await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveText('1')
  // It may hear of a message after the chat has shown it.
  await page.waitForFunction(() =>
    (window as unknown as { heard: Record<string, unknown>[] }).heard.some(data => data.message_type === 'text')
  )
  const heard = await page.evaluate(() => (window as unknown as { heard: Record<string, unknown>[] }).heard)
  expect(heard.map(data => data.name).filter(Boolean)).toEqual(['webchatLoaded', 'webchatReady'])
  expect(heard.some(data => typeof data.userId === 'string' && Object.keys(data).length === 1)).toBe(true)
  expect(heard.some(data => data.message_type === 'text')).toBe(true)
  expect(JSON.stringify(heard), 'the secret of the visitor stays in the frame').not.toContain('secret')
})

test('a page with the strictest policy that names the server has the chat', async ({
  page,
  serve,
  site,
  complaints
}) => {
  const nudge = await serve({ ...GREETER, ...snippet(2) })
  const host = await site()
  const { url } = nudge
  // No script of its own in the page: what it calls is in a file.
  host.page('/page.js', `window.botpressWebChat.init({ host: '${url}', botId: 'greeter' })\n${TRIGGER}`, {
    'content-type': 'text/javascript'
  })
  host.page(
    '/',
    `<!doctype html><title>x</title><script src="${url}/assets/modules/channel-web/inject.js"></script><script src="/page.js"></script>`,
    {
      'content-security-policy': `default-src 'none'; script-src 'self' ${url}; style-src ${url}; frame-src ${url}; require-trusted-types-for 'script'`
    }
  )
  await page.goto(`${host.url}/`)
  await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveText('1')
  expect(await page.locator('#bp-widget').boundingBox()).not.toBeNull()
  expect(complaints).toEqual([])
})

test('the script may come late, in the head, and twice', async ({ page, serve, site }) => {
  const nudge = await serve({ ...GREETER, ...snippet(2) })
  const script = `${nudge.url}/assets/modules/channel-web/inject.js`
  const stub = `window.botpressWebChat ??= { calls: [], init() { this.calls.push(['init', [...arguments]]) }, sendEvent() { this.calls.push(['sendEvent', [...arguments]]) } }`
  const host = await site({
    '/': `<!doctype html><html><head><title>x</title>
<script async src="${script}"></script>
<script>${stub}
window.botpressWebChat.init({ botId: 'greeter' })
${TRIGGER}</script>
<script defer src="${script}"></script></head><body></body></html>`
  })
  await page.goto(`${host.url}/`)
  await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveText('1')
  await expect(page.locator('iframe')).toHaveCount(1)
})

test('a page is painted while the server still thinks about the chat', async ({ page, serve, site }) => {
  const nudge = await serve()
  let answer = () => {}
  const held = new Promise<void>(done => (answer = done))
  for (const path of ['**/lite/**', '**/inject.css', '**/inject.js']) {
    await page.route(nudge.url + path.slice(2), async route => {
      await held
      await route.continue()
    })
  }
  const host = await site({
    '/': `<!doctype html><title>x</title><script async src="${nudge.url}/assets/modules/channel-web/inject.js"></script><h1>Here I am</h1>`
  })
  await page.goto(`${host.url}/`, { waitUntil: 'commit' })
  const painted = await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0)
  expect(await painted.jsonValue()).toBe(true)
  await expect(page.getByRole('heading')).toBeVisible()
  answer()
})

test('the style sheet and the frame hold up no paint once the script is there', async ({ page, serve, site }) => {
  const nudge = await serve()
  let answer = () => {}
  const held = new Promise<void>(done => (answer = done))
  for (const path of [/\/lite\//, /\/inject\.css/]) {
    await page.route(path, async route => {
      await held
      await route.continue()
    })
  }
  const host = await site({ '/': embedding(nudge.url).replace('</body>', '<p>The end</p></body>') })
  await page.goto(`${host.url}/`, { waitUntil: 'commit' })
  await page.waitForFunction(() => performance.getEntriesByName('first-contentful-paint').length > 0)
  await expect(page.getByText('The end')).toBeVisible()
  // The frame takes no room while it has not said how it looks.
  expect(await page.locator('#bp-widget').boundingBox()).toMatchObject({ width: 0, height: 0 })
  answer()
  await expect(button(page)).toBeVisible()
})

test('the example page shows a chat and its snippet', async ({ page, serve }) => {
  const nudge = await serve()
  await page.goto(`${nudge.url}/assets/modules/channel-web/examples/embedded-webchat.html?botId=greeter`)
  await expect(page.locator('pre')).toContainText(`host: '${nudge.url}'`)
  await expect(button(page)).toBeVisible()
})

test('what pages and frames load is small', async ({ serve }) => {
  const nudge = await serve()
  const size = async (path: string) => {
    const response = await fetch(nudge.url + path)
    return brotliCompressSync(Buffer.from(await response.arrayBuffer())).length
  }
  const files = '/assets/modules/channel-web/'
  expect(await size(`${files}inject.js`)).toBeLessThan(5_000)
  const page = await (await fetch(`${nudge.url}/lite/greeter/`)).text()
  const names = [...page.matchAll(/channel-web\/([^"]+)/g)].map(match => match[1]!)
  expect(names.length).toBeGreaterThan(0)
  // What draws Markdown comes as soon as a chat is open.
  const script = names.find(name => /^frame\..*js$/.test(name))!
  const later = /frame-markdown\.[\w-]+\.js/.exec(await (await fetch(nudge.url + files + script)).text())!
  const sizes = await Promise.all([...new Set([...names, later[0]])].map(name => size(files + name)))
  expect(sizes.reduce((sum, one) => sum + one, 0)).toBeLessThan(60_000)
})
