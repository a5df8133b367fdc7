/** The bot of the frame's tests, and how they reach into the frame. */

import { embedding, type Files, type FrameLocator, type Nudge, type Page } from './support'

/**
 * Says back what it hears. Of the events a page may send: `count` says the numbers from `from` to `to`, `type` shows that
 * it types for `ms`, `say` says a payload, or several.
 */
export const ECHO: Files = {
  'bots/echo/bot.config.json': JSON.stringify({
    name: 'Mia',
    description: 'Knows everything about tests',
    details: { website: 'https://example.com', emailAddress: 'mia@example.com' }
  }),
  'hooks/before_incoming_middleware/echo.js': `
    const say = (...payloads) => bp.events.replyToEvent(event, payloads)
    // What a page sends is wrapped once more than what is posted here.
    const given = event.payload.payload || {}
    const asked = given.payload || given
    const said = (event.payload.text || '').toString()
    if (event.type === 'count') {
      for (let at = asked.from; at <= asked.to; at++) await say({ type: 'text', text: 'n' + at })
    }
    if (event.type === 'type') await say({ type: 'typing', value: asked.ms }, { type: 'text', text: 'typed' })
    if (event.type === 'say') await say(...[].concat(asked.what))
    if (event.type === 'session_reset') await say({ type: 'text', text: 'Where were we?' })
    if (event.type === 'request_start_conversation') await say({ type: 'text', text: 'Let us begin' })
    if (event.type === 'text' || event.type === 'quick_reply') await say({ type: 'text', text: 'echo of ' + said })
    event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
  `
}

/** A page with the chat of that bot. */
export const chatPage = (host: string, config: Record<string, unknown> = {}, script = ''): string =>
  embedding(
    host,
    `window.heard = []
     addEventListener('message', event => heard.push(event.data))
     ${script}`,
    { botId: 'echo', ...config }
  )

/** The address of the chat on its own. */
export const fullscreen = (nudge: Nudge, config: Record<string, unknown> = {}): string =>
  `${nudge.url}/lite/echo/?m=channel-web&v=Fullscreen&options=${encodeURIComponent(JSON.stringify({ config }))}`

/** Waits until visitor and conversation are known. */
export const ready = (page: Page): Promise<unknown> =>
  page.waitForFunction(() =>
    (globalThis as never as { heard: { name?: string }[] }).heard.some(one => one.name === 'webchatReady')
  )

/** Calls the page's API. */
export const tell = (page: Page, payload: Record<string, unknown>): Promise<void> =>
  page.evaluate(payload => window.botpressWebChat!.sendEvent(payload), payload)

export const bubbles = (frame: FrameLocator) => frame.locator('.bpw-chat-bubble-content')

/** What is in the bubbles, in order. */
export const said = (frame: FrameLocator): Promise<string[]> => bubbles(frame).allInnerTexts()

export async function say(frame: FrameLocator, text: string): Promise<void> {
  await frame.locator('textarea').fill(text)
  await frame.locator('textarea').press('Enter')
}

/** What the frame keeps in the browser. */
export const kept = async (page: Page): Promise<{ local: Record<string, string>; session: Record<string, string> }> => {
  const frame = page.frames().find(frame => frame.url().includes('/lite/'))!
  return frame.evaluate(() => ({ local: { ...localStorage }, session: { ...sessionStorage } }))
}
