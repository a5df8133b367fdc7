/** Payloads in the chat, in a real browser: how each looks, and what clicks on it bring to the bot. */

import AxeBuilder from '@axe-core/playwright'
import { samples } from '../gallery/samples'
import { expect, type Files, type Nudge, type Page, shot, test } from './support'

/** What bots send; pictures and sounds are on a site that `open` stands for. */
const sent = samples('https://media.example').filter(([, , user]) => !user)
const payloads = sent.map(([, payload]) => payload)

/** A bot that answers a number with that payload, `all` with all of them, and says what else it heard. */
const bot: Files = {
  'bots/mia/bot.config.json': '{ "name": "Mia" }',
  'bots/mia/flows/main.flow.json': JSON.stringify({
    startNode: 'entry',
    nodes: [{ name: 'entry', onEnter: [], onReceive: null, next: [] }]
  }),
  'hooks/before_incoming_middleware/samples.js': `
    const payloads = ${JSON.stringify(payloads)}
    event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
    const { type, text, payload, data } = event.payload
    const heard = { type: 'text', text: 'Heard ' + JSON.stringify({ type, text, payload, data }) }
    const answers = type !== 'text' ? [heard] : text === 'all' ? payloads : [payloads[Number(text)]]
    if (type !== 'visit') await bp.events.replyToEvent(event, answers)`
}

/** A tenth of a second of silence. */
const SOUND = Buffer.concat([
  Buffer.from('UklGRkQDAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YSADAAA=', 'base64'),
  Buffer.alloc(800, 128)
])

/** Opens the chat with what pictures, sounds and films of the samples are. */
async function open(page: Page, nudge: Nudge, locale: string) {
  const picture = (hue: string) =>
    `<svg xmlns="http://www.w3.org/2000/svg" width="640" height="400"><rect width="640" height="400" fill="hsl(${hue} 55% 55%)"/></svg>`
  await page.route('**/picture.svg*', route =>
    route.fulfill({
      contentType: 'image/svg+xml',
      body: picture(new URL(route.request().url()).searchParams.get('hue')!)
    })
  )
  await page.route('**/none.png*', route => route.fulfill({ contentType: 'image/png', body: 'no picture' }))
  await page.route(/\.(wav|webm)$/, route => route.fulfill({ contentType: 'audio/wav', body: SOUND }))
  const options = JSON.stringify({
    hideWidget: true,
    config: { host: nudge.url, botId: 'mia', locale, hideWidget: true }
  })
  await page.goto(`${nudge.url}/lite/mia/?m=channel-web&v=Fullscreen&options=${encodeURIComponent(options)}`)
  await expect(page.locator('.bpw-composer')).toBeVisible()
}

async function say(page: Page, text: string) {
  await page.locator('.bpw-composer textarea').fill(text)
  await page.keyboard.press('Enter')
}

for (const [name, scheme, locale] of [
  ['light', 'light', 'en'],
  ['dark', 'dark', 'en'],
  ['arabic', 'light', 'ar']
] as const) {
  test(`every payload is shown, ${name}, and can be used by everyone`, async ({ page, serve }) => {
    const nudge = await serve(bot)
    await page.emulateMedia({ colorScheme: scheme })
    // High enough for all of them at once.
    await page.setViewportSize({ width: 420, height: 3400 })
    await open(page, nudge, locale)
    await say(page, 'all')
    const bubbles = page.locator('.bpw-from-bot .bpw-chat-bubble')
    await expect(bubbles).toHaveCount(payloads.length)
    await expect(page.locator('.bpw-markdown h2').first()).toBeVisible()
    await expect(page.locator('.bpw-file-image').first()).toBeVisible()
    await expect(page.locator('.bpw-file-link', { hasText: 'Not there' }).first()).toBeVisible()
    for (const wide of await bubbles.all()) {
      expect(await wide.evaluate(bubble => bubble.scrollWidth - bubble.clientWidth)).toBeLessThanOrEqual(1)
    }
    await shot(page, `messages-${name}`)
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html, nodes[0]?.failureSummary])).toEqual([])
  })
}

test('what is clicked, chosen, uploaded and filled in comes to the bot', async ({ page, serve }) => {
  const nudge = await serve(bot)
  const ask = async (title: string) => say(page, String(sent.findIndex(([name]) => name === title)))
  const heard = (what: object) =>
    expect(page.locator('.bpw-from-bot .bpw-text', { hasText: 'Heard' }).last()).toHaveText(
      `Heard ${JSON.stringify(what)}`
    )
  await open(page, nudge, 'en')

  await ask('quick replies')
  await page.locator('.bpw-keyboard-quick_reply').getByRole('button', { name: 'Yes' }).click()
  await heard({ type: 'quick_reply', text: 'Yes', payload: 'YES' })
  await expect(page.locator('.bpw-keyboard-quick_reply')).toHaveCount(0)

  await ask('carousel')
  await page.getByRole('button', { name: 'Tell me more' }).first().click()
  await heard({ type: 'say_something', text: 'More of Lake house' })
  await page.getByRole('button', { name: 'Book it' }).first().click()
  await heard({ type: 'postback', text: 'Book it', payload: { title: 'Lake house' } })
  const track = page.locator('.bpw-carousel-track')
  await track.focus()
  await page.keyboard.press('ArrowRight')
  await expect.poll(() => track.evaluate(element => element.scrollLeft)).toBeGreaterThan(50)
  await page.getByRole('button', { name: 'Previous card' }).click()
  await expect.poll(() => track.evaluate(element => element.scrollLeft)).toBe(0)

  await ask('dropdown')
  const list = page.locator('.bpw-dropdown-select')
  await list.selectOption({ label: 'Large' })
  await heard({ type: 'quick_reply', text: 'Large', payload: 'large' })
  await list.focus()
  // By the keyboard each step is a choice; only Enter says which one is meant.
  await page.keyboard.press('ArrowUp')
  await expect(list).toHaveValue('1')
  await page.keyboard.press('Enter')
  await heard({ type: 'quick_reply', text: 'Medium', payload: 'medium' })

  await ask('quick replies in rows')
  const chooser = page.waitForEvent('filechooser')
  await page.getByRole('button', { name: 'Send a photo' }).click()
  const dot = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
  await (await chooser).setFiles({ name: 'dot.png', mimeType: 'image/png', buffer: Buffer.from(dot, 'base64') })
  await expect(page.locator('.bpw-from-user img.bpw-file-image')).toBeVisible()

  await ask('login_prompt')
  await page.getByLabel('User name').fill('ada')
  await page.getByLabel('Password').fill('hunter2')
  await page.keyboard.press('Enter')
  await heard({ type: 'login_prompt', text: 'Login information sent', data: { username: 'ada', password: 'hunter2' } })
  await expect(page.locator('.bpw-from-user', { hasText: 'hunter2' })).toHaveCount(0)
  await expect(page.getByLabel('Password')).toHaveCount(0)
})
