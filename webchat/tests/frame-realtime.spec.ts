/** Realtime in the frame: what is sent while nobody listens is shown once, in order. */

import { bubbles, chatPage, ECHO, ready, said, say, tell } from './frame-bot'
import { AWAY, chat, expect, forgive, noted, online, test, type Nudge } from './support'

const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => `n${from + at}`)

/** The bot says numbers, whether the visitor is connected or not. */
const count = (nudge: Nudge, from: number, to: number) =>
  nudge.call('POST', '/api/v1/bots/echo/mod/channel-web/events/ada', { type: 'count', payload: { from, to } })

test('a connection cut ten times while the bot counts shows each number once, in order', async ({
  page,
  serve,
  site,
  wire,
  complaints
}) => {
  test.setTimeout(120_000)
  const nudge = await serve(ECHO)
  const line = await wire(nudge)
  const host = await site({ '/': chatPage(line.url, { userId: 'ada' }, `botpressWebChat.sendEvent({ type: 'show' })`) })
  await page.goto(host.url)
  const frame = chat(page)
  await count(nudge, 1, 5)
  await expect(bubbles(frame)).toHaveCount(5)
  for (let round = 1; round <= 10; round++) {
    line.cut()
    await count(nudge, round * 10, round * 10 + 4)
    line.restore()
    await count(nudge, round * 10 + 5, round * 10 + 9)
    await online(page)
    await expect(bubbles(frame)).toHaveCount(5 + round * 10)
  }
  expect(await said(frame)).toEqual([...numbers(1, 5), ...numbers(10, 109)])
  forgive(complaints, AWAY)
})

test('what cannot be sent says so, keeps its order, and is sent once at a click', async ({
  page,
  serve,
  site,
  wire,
  complaints
}) => {
  const nudge = await serve(ECHO)
  const line = await wire(nudge)
  const host = await site({ '/': chatPage(line.url) })
  await page.goto(host.url)
  const frame = chat(page)
  await frame.locator('button').first().click()
  await say(frame, 'before')
  await expect(bubbles(frame)).toHaveCount(2)
  line.cut()
  await say(frame, 'first')
  await say(frame, 'second')
  await expect(frame.getByRole('button', { name: 'Not sent. Try again' })).toHaveCount(2)
  await expect(frame.locator('.bpw-offline')).toBeVisible()
  line.restore()
  await frame.getByRole('button', { name: 'Not sent. Try again' }).last().click()
  await expect(bubbles(frame)).toHaveCount(6)
  expect((await said(frame)).filter(text => !text.startsWith('echo'))).toEqual(['before', 'first', 'second'])
  await expect(frame.locator('.bpw-offline')).toHaveCount(0)
  await expect(frame.locator('.bpw-chat-bubble-pending')).toHaveCount(0)
  forgive(complaints, AWAY)
})

test('where WebSocket is blocked, polling is used', async ({ page, serve, site, complaints }) => {
  const nudge = await serve(ECHO)
  await page.routeWebSocket(/socket\.io/, socket => socket.close())
  const host = await site({ '/': chatPage(nudge.url) })
  await page.goto(host.url)
  const frame = chat(page)
  await frame.locator('button').first().click()
  await say(frame, 'hello')
  await expect(bubbles(frame)).toHaveText(['hello', 'echo of hello'])
  forgive(complaints, AWAY)
})

test('a lazy chat connects when it is opened, not before, and misses nothing', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const connections: string[] = []
  page.on('websocket', socket => connections.push(socket.url()))
  const host = await site({ '/': chatPage(nudge.url, { userId: 'ada', lazySocket: true }) })
  const visited = page.waitForResponse(/\/messages\/ada/)
  await page.goto(host.url)
  await ready(page)
  await visited
  await count(nudge, 1, 3)
  const frame = chat(page)
  expect(connections).toEqual([])
  await frame.locator('button').first().click()
  await expect(bubbles(frame)).toHaveText(['n1', 'n2', 'n3'])
  expect(connections).toHaveLength(1)
})

test('typing is shown until the message comes', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url) })
  const typing = await noted(page, 'bpw-typing-bubble')
  await page.goto(host.url)
  const frame = chat(page)
  await frame.locator('button').first().click()
  await tell(page, { type: 'type', payload: { ms: 1500 } })
  await expect(bubbles(frame)).toHaveText(['typed'])
  expect(typing()).toBe(true)
  await expect(frame.locator('.bpw-typing-bubble')).toHaveCount(0)
})

test('the list follows the newest message, unless the visitor reads further up', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url, { userId: 'ada' }) })
  await page.goto(host.url)
  const frame = chat(page)
  await frame.locator('button').first().click()
  await count(nudge, 1, 30)
  await expect(bubbles(frame)).toHaveCount(30)
  await expect(bubbles(frame).last()).toBeInViewport()
  await frame.locator('.bpw-msg-list').evaluate(list => (list.scrollTop = 0))
  await count(nudge, 31, 31)
  await expect(frame.getByRole('button', { name: 'New messages' })).toBeVisible()
  await expect(bubbles(frame).first()).toBeInViewport()
  await frame.getByRole('button', { name: 'New messages' }).click()
  await expect(bubbles(frame).last()).toBeInViewport()
  await expect(frame.getByRole('button', { name: 'New messages' })).toHaveCount(0)
})

test('many messages of one instant are in order after a reload, and none of them is news', async ({
  page,
  serve,
  site
}) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url, { userId: 'ada' }) })
  await page.goto(host.url)
  const frame = chat(page)
  // What typing holds back is delivered in one and the same millisecond; a history has the last twenty.
  const what = [{ type: 'typing', value: 100 }, ...numbers(1, 30).map(text => ({ type: 'text', text }))]
  await tell(page, { type: 'say', payload: { what } })
  await expect(frame.locator('.bpw-floating-button-unread')).toHaveText('30')
  await page.reload()
  await ready(page)
  await expect(frame.locator('.bpw-floating-button-unread')).toHaveCount(0)
  await frame.locator('button').first().click()
  await expect(bubbles(frame)).toHaveText(numbers(1, 30))
  await expect(frame.locator('.bpw-floating-button-unread')).toHaveCount(0)
})

test('quick replies that come do not hide the question that asks for them', async ({ page, serve, site }) => {
  const nudge = await serve({
    ...ECHO,
    'hooks/before_incoming_middleware/ask.js': `if (event.type === 'ask') {
  const texts = Array.from({ length: 15 }, (_, at) => ({ type: 'text', text: 'line ' + at }))
  const quick_replies = ['Kitchen', 'Bedroom', 'Bathroom', 'Hall', 'Cellar'].map(title => ({ title, payload: title }))
  const question = { type: 'text', text: 'For which room?' }
  bp.events.replyToEvent(event, [...texts, { type: 'custom', module: 'channel-web', component: 'QuickReplies', quick_replies, wrapped: question }])
}`
  })
  const host = await site({ '/': chatPage(nudge.url) })
  await page.goto(host.url)
  const frame = chat(page)
  await frame.locator('button').first().click()
  await tell(page, { type: 'ask' })
  await expect(frame.getByRole('button', { name: 'Cellar' })).toBeVisible()
  await expect(bubbles(frame).last()).toBeInViewport({ ratio: 1 })
  const left = () =>
    frame.locator('.bpw-msg-list').evaluate(list => list.scrollHeight - list.scrollTop - list.clientHeight)
  await expect.poll(left).toBeLessThan(2)
})
