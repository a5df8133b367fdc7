/** A network that comes and goes: what the bot says meanwhile is shown, each once, in order. */

import {
  AWAY,
  button,
  chat,
  embedding,
  expect,
  forgive,
  GREETER,
  online,
  replies,
  test,
  type Files,
  type Nudge
} from './support'

/** Says the number that an event brings. */
const NUMBERS: Files = {
  ...GREETER,
  'hooks/before_incoming_middleware/numbers.js': `if (event.type === 'number') {
  event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
  bp.events.replyToEvent(event, [{ type: 'text', text: String(event.payload.number) }])
}`
}

/** Lets the bot say a number to Ada, past the network that her browser has. */
const say = (nudge: Nudge, number: number) =>
  nudge.call('POST', '/api/v1/bots/greeter/mod/channel-web/events/ada', { type: 'number', number })

const numbers = (upTo: number) => Array.from({ length: upTo }, (_, index) => String(index + 1))

test('a browser that was offline shows what it missed by itself, closed or open', async ({
  page,
  context,
  serve,
  site,
  complaints
}) => {
  const nudge = await serve(NUMBERS)
  const host = await site({ '/': embedding(nudge.url, '', { userId: 'ada' }) })
  await page.goto(`${host.url}/`)
  await say(nudge, 1)
  await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveText('1')
  await context.setOffline(true)
  for (const number of [2, 3]) await say(nudge, number)
  await context.setOffline(false)
  await say(nudge, 4)
  await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveText('4')
  await button(page).click()
  await expect(replies(page)).toHaveText(numbers(4))
  forgive(complaints, AWAY)
})

test('a page that is opened while the server is away has its chat, and its event is not lost', async ({
  page,
  serve,
  site,
  wire,
  complaints
}) => {
  const nudge = await serve(NUMBERS)
  const way = await wire(nudge)
  const event = `window.botpressWebChat.sendEvent({ type: 'show' })
  document.querySelector('#bp-widget').addEventListener('load', () => {
    window.loaded = true
  })`
  const host = await site({ '/': embedding(way.url, event, { userId: 'ada' }) })
  await page.goto(`${host.url}/`)
  await page.waitForFunction(() => 'loaded' in window)
  way.cut()
  await page.evaluate(() => window.botpressWebChat!.sendEvent({ type: 'proactive-trigger', channel: 'web' }))
  way.restore()
  await online(page)
  await expect(replies(page)).toHaveText(['Hello! I speak first.'], { timeout: 20_000 })
  forgive(complaints, AWAY)
})
