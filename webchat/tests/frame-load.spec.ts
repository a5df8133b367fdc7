/** The frame where it has much to do, or little to do it with: long lists, slow networks, pages in the background. */

import { bubbles, chatPage, ECHO, ready, said, say, tell } from './frame-bot'
import { chat, expect, listens, settled, test, type Nudge } from './support'

const API = '/api/v1/bots/echo/mod/channel-web'
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, at) => `n${from + at}`)
const LONG = { ...ECHO, 'config/channel-web.json': '{ "maxMessagesHistory": 300 }' }

/** The bot says numbers to Ada, fifty an event: that is about what one event may say. */
async function talk(nudge: Nudge, most: number): Promise<void> {
  for (let from = 1; from <= most; from += 50) {
    await nudge.call('POST', `${API}/events/ada`, { type: 'count', payload: { from, to: Math.min(from + 49, most) } })
  }
  await settled(nudge)
}

test('three hundred messages are drawn piece by piece from the end, and the list stays there', async ({
  page,
  serve,
  site
}) => {
  const nudge = await serve(LONG)
  await talk(nudge, 300)
  // How many bubbles there are whenever something was drawn.
  await page.addInitScript(() => {
    const drawn = ((window as never as { drawn: number[] }).drawn = [] as number[])
    new MutationObserver(() => {
      const count = document.querySelectorAll('.bpw-chat-bubble').length
      if (count !== drawn.at(-1)) drawn.push(count)
    }).observe(document, { childList: true, subtree: true })
  })
  const host = await site({ '/': chatPage(nudge.url, { userId: 'ada' }) })
  await page.goto(host.url)
  await ready(page)
  const frame = chat(page)
  await frame.locator('button').first().click()
  await expect(bubbles(frame)).toHaveCount(300)
  expect(await said(frame)).toEqual(numbers(1, 300))
  await expect(bubbles(frame).last()).toBeInViewport({ ratio: 1 })
  const drawn = await frame.locator('html').evaluate(() => (window as never as { drawn: number[] }).drawn)
  const steps = drawn.map((count, at) => count - (drawn[at - 1] ?? 0))
  expect(Math.max(...steps)).toBeLessThanOrEqual(30)
  // What comes later does not begin it anew.
  await say(frame, 'hello')
  await expect(bubbles(frame).last()).toHaveText('echo of hello')
  await expect(bubbles(frame)).toHaveCount(302)
  await expect(frame.locator('.bpw-msg-list')).toHaveAttribute('aria-busy', 'false')
})

test('thirty conversations are listed, scrolled through by keyboard, and opened', async ({ page, serve, site }) => {
  const nudge = await serve({ ...ECHO, 'config/channel-web.json': '{ "maxConversationsListed": 30 }' })
  const ids: number[] = []
  for (let at = 1; at <= 30; at++) {
    const { convoId } = (await nudge.call('POST', `${API}/conversations/ada/new`)) as { convoId: number }
    ids.push(convoId)
    await nudge.call('POST', `${API}/messages/ada?conversationId=${convoId}`, { type: 'text', text: `talk ${at}` })
  }
  await settled(nudge)
  const host = await site({ '/': chatPage(nudge.url, { userId: 'ada' }) })
  await page.goto(host.url)
  await ready(page)
  const frame = chat(page)
  await frame.locator('button').first().click()
  await frame.locator('.bpw-header-icon-conversations').click()
  const rows = frame.locator('.bpw-convo-item')
  const newest = Array.from({ length: 30 }, (_, at) => `echo of talk ${30 - at}`)
  await expect(frame.locator('.bpw-convo-preview')).toHaveText(newest)
  await expect(rows.last()).not.toBeInViewport()
  await frame.locator('.bpw-convo-new').focus()
  for (let at = 0; at < 30; at++) await page.keyboard.press('Tab')
  await expect(rows.last()).toBeFocused()
  await expect(rows.last()).toBeInViewport({ ratio: 1 })
  await page.keyboard.press('Enter')
  await expect(bubbles(frame)).toHaveText(['talk 1', 'echo of talk 1'])
})

test('in a page in the background, where nothing is painted, nothing is lost', async ({ page, serve, site }) => {
  const nudge = await serve(LONG)
  // As browsers do it for pages that nobody sees.
  await page.addInitScript(() => {
    // The tests wait by these in the page around the frame.
    if (parent !== window) window.requestAnimationFrame = () => 0
    Object.defineProperties(Document.prototype, {
      hidden: { get: () => true },
      visibilityState: { get: () => 'hidden' }
    })
  })
  const host = await site({ '/': chatPage(nudge.url, { userId: 'ada' }) })
  await page.goto(host.url)
  await ready(page)
  await tell(page, { type: 'show' })
  const frame = chat(page)
  await expect(frame.locator('textarea')).toBeVisible()
  await talk(nudge, 100)
  await expect(bubbles(frame)).toHaveText(numbers(1, 100))
  // With a history that comes at once, too.
  await page.reload()
  await ready(page)
  await tell(page, { type: 'show' })
  await expect(bubbles(frame)).toHaveText(numbers(1, 100))
})

test('over a slow network a chat is there, and what is said is said once', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url) })
  const devtools = await page.context().newCDPSession(page)
  await devtools.send('Network.enable')
  // Slow 3G, as the browser's own tools have it.
  const slow = { offline: false, latency: 400, downloadThroughput: 50_000, uploadThroughput: 50_000 }
  await devtools.send('Network.emulateNetworkConditions', slow)
  await page.goto(host.url)
  const frame = chat(page)
  // The visitor does not wait until everything is there.
  await frame.locator('button').first().click()
  await say(frame, 'one')
  await say(frame, 'two')
  await expect(bubbles(frame)).toHaveCount(4)
  const all = await said(frame)
  expect(all.filter(text => !text.startsWith('echo'))).toEqual(['one', 'two'])
  expect(all.filter(text => text.startsWith('echo'))).toEqual(['echo of one', 'echo of two'])
  await expect(frame.locator('.bpw-offline')).toHaveCount(0)
  await expect(frame.locator('.bpw-chat-bubble-pending')).toHaveCount(0)
})

test('nothing moves for visitors who want it so, as nothing does where the page says so', async ({
  page,
  serve,
  site
}) => {
  const nudge = await serve(ECHO)
  const host = await site({
    '/': chatPage(nudge.url, { userId: 'ada' }),
    '/still': chatPage(nudge.url, { userId: 'ada', disableAnimations: true })
  })
  const moving = async (path: string, reducedMotion: 'reduce' | 'no-preference') => {
    await page.emulateMedia({ reducedMotion })
    await page.goto(host.url + path)
    await ready(page)
    await listens(nudge)
    await tell(page, { type: 'show' })
    await tell(page, { type: 'type', payload: { ms: 5000 } })
    await expect(chat(page).locator('.bpw-typing-dot')).toHaveCount(3)
    return chat(page)
      .locator('html')
      .evaluate(() => document.getAnimations().length > 0)
  }
  expect(await moving('/', 'no-preference')).toBe(true)
  expect(await moving('/', 'reduce')).toBe(false)
  expect(await moving('/still', 'no-preference')).toBe(false)
})
