/** How the frame looks and is used: axe finds nothing, the keyboard reaches everything, style sheets of others win. */

import { AxeBuilder } from '@axe-core/playwright'
import { bubbles, chatPage, ECHO, ready, say, tell } from './frame-bot'
import { chat, expect, shot, test, type Page } from './support'

/** Looks at the chat with axe, and keeps a picture. */
async function look(page: Page, name: string): Promise<void> {
  await shot(page, `frame-${name}`)
  const { violations, passes } = await new AxeBuilder({ page }).include('#bp-widget').analyze()
  expect(violations.map(({ id, nodes }) => [id, nodes.map(node => node.html)])).toEqual([])
  // It has looked into the frame, not only at it.
  expect(passes.flatMap(({ nodes }) => nodes).some(({ target }) => target.length > 1)).toBe(true)
}

const looks = [
  ['light', {}, {}],
  ['dark', { colorScheme: 'dark' }, {}],
  ['small', { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true }, {}],
  ['rtl', {}, { locale: 'ar' }],
  ['forced', { forcedColors: 'active' }, {}]
] as const

for (const [name, options, config] of looks) {
  test.describe(name, () => {
    test.use(options)
    test('every view', async ({ page, serve, site }) => {
      test.setTimeout(90_000)
      const nudge = await serve(ECHO)
      const host = await site({ '/': chatPage(nudge.url, { userId: 'ada', botName: 'Mia', ...config }) })
      await page.goto(host.url)
      await ready(page)
      const frame = chat(page)
      await look(page, `${name}-closed`)
      await tell(page, {
        type: 'say',
        payload: { what: { type: 'text', text: 'Can I help you to find something? I know every shelf.' } }
      })
      await expect(frame.locator('.bpw-teaser')).toBeVisible()
      await look(page, `${name}-teaser`)
      await frame.locator('.bpw-teaser-open').click()
      await say(frame, 'Yes, a lamp')
      await expect(bubbles(frame)).toHaveCount(3)
      const choice = {
        type: 'single-choice',
        text: 'For which room?',
        choices: [
          { title: 'Kitchen', value: 'k' },
          { title: 'Bedroom', value: 'b' }
        ]
      }
      await tell(page, { type: 'say', payload: { what: choice } })
      await expect(bubbles(frame)).toHaveCount(4)
      await look(page, `${name}-talk`)
      await frame.locator('.bpw-header-icon-conversations').click()
      await expect(frame.locator('.bpw-convo-item')).toHaveCount(1)
      await look(page, `${name}-conversations`)
      await frame.locator('.bpw-convo-new').click()
      await expect(bubbles(frame)).toHaveCount(0)
      await look(page, `${name}-empty`)
      await tell(page, { type: 'toggleBotInfo' })
      await look(page, `${name}-info`)
      await tell(page, { type: 'toggleBotInfo' })
      await say(frame, 'again')
      await expect(bubbles(frame)).toHaveCount(2)
      await frame.locator('.bpw-header-icon-reset').click()
      await look(page, `${name}-reset`)
      await page.keyboard.press('Escape')
      await tell(page, { type: 'type', payload: { ms: 60_000 } })
      await expect(frame.locator('.bpw-typing-bubble')).toBeVisible()
      await frame.locator('textarea').fill('word '.repeat(66))
      await look(page, `${name}-typing`)
    })
  })
}

test('the keyboard reaches everything, and the focus comes back', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url) })
  await page.goto(host.url)
  const frame = chat(page)
  const focused = frame.locator(':focus')
  await frame.locator('button').first().focus()
  await page.keyboard.press('Enter')
  await expect(frame.locator('textarea')).toBeFocused()
  await page.keyboard.type('one')
  await page.keyboard.press('Shift+Enter')
  await page.keyboard.type('two')
  await page.keyboard.press('Enter')
  await expect(bubbles(frame)).toHaveCount(2)
  await page.keyboard.press('ArrowUp')
  await expect(frame.locator('textarea')).toHaveValue('one\ntwo')
  await page.keyboard.press('ArrowDown')
  await expect(frame.locator('textarea')).toHaveValue('')

  const reached: (string | null)[] = []
  for (let at = 0; at < 5; at++) {
    await page.keyboard.press('Shift+Tab')
    reached.push(await focused.getAttribute('aria-label'))
  }
  expect(reached).toEqual(['Send a file', 'Messages', 'Close the chat', 'Conversations', 'Reset the conversation'])
  await page.keyboard.press('Enter')
  await expect(frame.getByRole('dialog')).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(focused).toHaveAttribute('aria-label', 'Reset the conversation')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await expect(frame.locator('.bpw-convo-list')).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(frame.locator('textarea')).toBeFocused()
  await page.keyboard.press('Escape')
  await expect(frame.locator('.bpw-floating-button')).toBeFocused()
})

test('the focus goes on when the button that had it is gone', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url) })
  await page.goto(host.url)
  const frame = chat(page)
  const what = { type: 'single-choice', text: 'Sure?', choices: [{ title: 'Yes', value: 'y' }] }
  await tell(page, { type: 'say', payload: { what } })
  await frame.getByRole('button', { name: 'Dismiss the message' }).press('Enter')
  await expect(frame.locator('.bpw-floating-button')).toBeFocused()
  await page.keyboard.press('Enter')
  await frame.getByRole('button', { name: 'Yes' }).press('Enter')
  await expect(bubbles(frame).last()).toHaveText('echo of Yes')
  await expect(frame.locator('textarea')).toBeFocused()
})

test('Enter that chooses a word of an input method sends nothing', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url) })
  await page.goto(host.url)
  const frame = chat(page)
  await frame.locator('button').first().click()
  const area = frame.locator('textarea')
  await area.fill('にほん')
  const enter = (isComposing: boolean) =>
    area.evaluate(
      (area, isComposing) =>
        area.dispatchEvent(
          new KeyboardEvent('keydown', { key: 'Enter', isComposing, bubbles: true, cancelable: true })
        ),
      isComposing
    )
  expect(await enter(true)).toBe(true)
  await expect(area).toHaveValue('にほん')
  expect(await enter(false)).toBe(false)
  await expect(bubbles(frame)).toHaveCount(2)
})

test('a message that is too long is not sent, and says so', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url) })
  await page.goto(host.url)
  const frame = chat(page)
  await frame.locator('button').first().click()
  await say(frame, 'x'.repeat(361))
  await expect(frame.locator('.bpw-composer-counter')).toHaveText('1 character too many')
  await expect(frame.locator('.bpw-send-button')).toBeDisabled()
  await say(frame, 'x'.repeat(360))
  await expect(bubbles(frame)).toHaveCount(2)
})

test('a style sheet of the page wins over ours', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': '' })
  const css = '.bpw-from-user .bpw-chat-bubble { background: rgb(1, 2, 3) } .bpw-header-title { color: rgb(4, 5, 6) }'
  host.page('/mine.css', css, { 'content-type': 'text/css' })
  host.page('/', chatPage(nudge.url, { extraStylesheet: `${host.url}/mine.css`, className: 'mine' }))
  await page.goto(host.url)
  const frame = chat(page)
  await frame.locator('button').first().click()
  await expect(page.locator('#bp-widget')).toHaveClass('bp-widget-web bp-widget-side mine')
  await say(frame, 'hello')
  await expect(frame.locator('.bpw-from-user .bpw-chat-bubble')).toHaveCSS('background-color', 'rgb(1, 2, 3)')
  await expect(frame.locator('.bpw-header-title')).toHaveCSS('color', 'rgb(4, 5, 6)')
})

test('a page may hide the button, and open the chat by itself', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url, { hideWidget: true }) })
  await page.goto(host.url)
  await ready(page)
  await expect(page.locator('#bp-widget')).toBeHidden()
  await tell(page, { type: 'show' })
  await expect(chat(page).locator('textarea')).toBeVisible()
  await tell(page, { type: 'toggle' })
  await expect(page.locator('#bp-widget')).toBeHidden()
})
