/** The documented snippets, for pages and for hooks, in a real browser: the page acts first, and the bot speaks first. */

import {
  button,
  chat,
  embedding,
  expect,
  GREETER,
  noted,
  replies,
  settled,
  snippet,
  test,
  type Files,
  type Nudge,
  type Page
} from './support'

/** As documented, word for word. */
const WITH_TIMEOUT = `setTimeout(() => window.botpressWebChat.sendEvent({ type: 'proactive-trigger', channel: 'web', payload: { text: 'fake message' } }), 1000)`
const AT_ONCE = `window.botpressWebChat.sendEvent({ type: 'proactive-trigger', channel: 'web', payload: { text: 'fake message' } })`
/** When the chat button is clicked: the page reaches into the frame. */
const ON_CLICK = `document.addEventListener('DOMContentLoaded', () => setTimeout(() => {
    const button = document.querySelector('#bp-widget').contentWindow.document.getElementsByTagName('button')[0]
    button.addEventListener('click', () => ${AT_ONCE})
    window.listening = true
  }, 1000))`

/** Opens a page that is served with the server's own origin, as the documentation has it for what reaches into the frame. */
async function openWithin(page: Page, nudge: Nudge, html: string): Promise<void> {
  await page.route(`${nudge.url}/my-page`, route => route.fulfill({ contentType: 'text/html', body: html }))
  await page.goto(`${nudge.url}/my-page`)
}

for (const [name, script] of [
  ['with the documented setTimeout', WITH_TIMEOUT],
  ['without a setTimeout', AT_ONCE]
] as const) {
  test(`the bot speaks first when a page is opened, ${name}`, async ({ page, serve, site }) => {
    const nudge = await serve({ ...GREETER, ...snippet(2) })
    const host = await site({ '/': embedding(nudge.url, script) })
    await page.goto(`${host.url}/`)
    await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveText('1')
    await button(page).click()
    await expect(replies(page)).toHaveText(['Hello! I speak first.'])

    // The visitor has been greeted: the page sends its event again, and nobody speaks.
    const events = page.waitForResponse(response => response.url().includes('/events/'))
    await page.reload()
    await events
    await settled(nudge)
    await button(page).click()
    await expect(replies(page)).toHaveText(['Hello! I speak first.'])
  })
}

test('without a hook that skips it, each opening of the page goes on with the talk', async ({ page, serve, site }) => {
  const nudge = await serve({ ...GREETER, ...snippet(1) })
  const host = await site({ '/': embedding(nudge.url, AT_ONCE) })
  await page.goto(`${host.url}/`)
  await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveText('1')
  const events = page.waitForResponse(response => response.url().includes('/events/'))
  await page.reload()
  await events
  await settled(nudge)
  await button(page).click()
  await expect(replies(page)).toHaveText(['Hello! I speak first.', 'So you say.'])
})

test('content of a hook comes by itself, with typing first', async ({ page, serve, site }) => {
  const nudge = await serve({ ...GREETER, ...snippet(3) })
  const host = await site({
    '/': embedding(nudge.url, `window.botpressWebChat.sendEvent({ type: 'show' })\n${AT_ONCE}`)
  })
  const typing = await noted(page, 'bpw-typing-bubble')
  await page.goto(`${host.url}/`)
  await expect(replies(page)).toHaveText(["I'm so proactive!"])
  expect(typing()).toBe(true)
  await expect(chat(page).locator('.bpw-typing-bubble')).toHaveCount(0)
})

test('the bot speaks first when the chat button is clicked', async ({ page, serve }) => {
  const nudge = await serve({ ...GREETER, ...snippet(2) })
  await openWithin(page, nudge, embedding(nudge.url, ON_CLICK))
  await page.waitForFunction(() => 'listening' in window)
  await expect(button(page)).toBeVisible()
  await settled(nudge)
  await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveCount(0)
  await button(page).click()
  await expect(replies(page)).toHaveText(['Hello! I speak first.'])
})

test('the bot explains the field of a form that somebody is about to fill in', async ({ page, serve, site }) => {
  const help: Files = {
    'hooks/before_incoming_middleware/help.js': `if (event.type === 'proactive-trigger') {
  event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
  const help = { iban: 'It begins with two letters.', email: 'We write to it once.' }
  const { field } = event.payload.payload.payload
  bp.cms.renderElement('builtin_text', { text: help[field] }, event).then(payloads => {
    bp.events.replyToEvent(event, payloads)
  })
}`
  }
  const nudge = await serve({ ...GREETER, ...help })
  const script = `document.body.insertAdjacentHTML('beforeend', '<form><input name="email"><input name="iban"></form>')
  document.querySelectorAll('input').forEach(input => input.addEventListener('focus', () => {
    window.botpressWebChat.sendEvent({ type: 'show' })
    window.botpressWebChat.sendEvent({ type: 'proactive-trigger', channel: 'web', payload: { field: input.name } })
  }))`
  const host = await site({ '/': embedding(nudge.url, script) })
  await page.goto(`${host.url}/`)
  await page.locator('[name=iban]').focus()
  await expect(replies(page)).toHaveText(['It begins with two letters.'])
  // Whoever fills in a form is not interrupted.
  await expect(page.locator('[name=iban]')).toBeFocused()
  await page.locator('[name=email]').focus()
  await expect(replies(page)).toHaveText(['It begins with two letters.', 'We write to it once.'])
})
