/** The pages of development: the start page, and the example pages with the hooks that they show. */

import { readFileSync } from 'node:fs'
import { AxeBuilder } from '@axe-core/playwright'
import { button, chat, expect, GREETER, replies, settled, shot, test, type Nudge, type Page } from './support'

const FOLDER = 'hooks/before_incoming_middleware'

async function expectNoFaults(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html).join(' ')}`)).toEqual([])
}

/** Saves the hook that the example page shows where it says, and waits until the page finds it. */
async function saveShownHook(page: Page, nudge: Nudge): Promise<void> {
  const path = (await page.locator('h2 code').textContent())!
  const hook = (await page.locator('pre').last().textContent())!
  expect(path.startsWith(FOLDER)).toBe(true)
  nudge.write(path, hook)
  await expect
    .poll(async () =>
      String(await nudge.call('GET', new URL(page.url()).pathname)).includes(`<code>${path}</code> reacts`)
    )
    .toBe(true)
}

for (const scheme of ['light', 'dark'] as const) {
  test(`the start page shows what is there and what goes wrong (${scheme})`, async ({ page, serve }) => {
    await page.emulateMedia({ colorScheme: scheme })
    const nudge = await serve({
      ...GREETER,
      'bots/shop/bot.config.json': '{ "name": "The shop", "description": "Sells kettles, and knows them." }',
      'bots/shop/flows/main.flow.json': GREETER['bots/greeter/flows/main.flow.json']!,
      [`${FOLDER}/broken.js`]: `if (event.type === 'text' {\n  event.setFlag('x')\n}\n`,
      [`${FOLDER}/fails.js`]: `if (event.type === 'proactive-trigger') {\n  const name = event.user.name.first\n}\n`
    })
    for (const [type, user] of [
      ['text', 'ada'],
      ['proactive-trigger', 'bob'],
      ['proactive-trigger', 'bob']
    ]) {
      const route = type === 'text' ? 'messages' : 'events'
      await nudge.call('POST', `/api/v1/bots/greeter/mod/channel-web/${route}/${user}`, { type, text: 'Hello' })
    }
    await settled(nudge)
    await page.goto(`${nudge.url}/`)
    await expect(page.getByText('fails.js:2').first()).toBeVisible()
    await page.locator('summary').first().click()
    await expect(page.locator('.steps').first()).toContainText(`${FOLDER}/fails.js`)
    await page.screenshot({ path: `screenshots/start-${scheme}.png`, fullPage: true })
    await expectNoFaults(page)
    await page.locator('.links a', { hasText: 'Chat' }).first().click()
    await expect(page.getByRole('textbox')).toBeVisible()
  })
}

test('the page that acts when it is opened speaks once a session', async ({ page, serve }) => {
  const nudge = await serve({ ...GREETER, [`${FOLDER}/proactive.js`]: '' })
  const shownHook = String(await nudge.call('GET', '/examples/proactive-onload'))
  expect(shownHook).toContain('No hook reacts')
  nudge.write(`${FOLDER}/proactive.js`, readFileSync('../tests/snippets/2.js', 'utf8'))
  await expect
    .poll(async () => String(await nudge.call('GET', '/examples/proactive-onload')).includes('reacts to the event'))
    .toBe(true)
  await page.goto(`${nudge.url}/examples/proactive-onload`)
  await expect(chat(page).locator('.bpw-floating-button-unread')).toHaveText('1')
  await shot(page, 'example-onload')
  await expectNoFaults(page)
  const events = page.waitForResponse(response => response.url().includes('/events/'))
  await page.reload()
  await events
  await settled(nudge)
  await button(page).click()
  await expect(replies(page)).toHaveText(['Hello! I speak first.'])
})

test('the page that acts on the chat button works with the hook it shows', async ({ page, serve }) => {
  const nudge = await serve(GREETER)
  await page.goto(`${nudge.url}/examples/proactive-onclick`)
  await saveShownHook(page, nudge)
  await page.reload()
  await expect(page.getByText('reacts to the event')).toBeVisible()
  await button(page).click()
  await expect(replies(page)).toHaveText(['Hello! I speak first.'])
  await shot(page, 'example-onclick')
})

test('the form of the example is explained by the hook it shows', async ({ page, serve }) => {
  const nudge = await serve(GREETER)
  await page.goto(`${nudge.url}/examples/proactive-form`)
  await saveShownHook(page, nudge)
  await page.reload()
  await page.getByLabel('Bank account (IBAN)').focus()
  await expect(replies(page)).toHaveText(['It begins with two letters for the country.'])
  await page.getByLabel('Name').focus()
  await expect(replies(page)).toHaveText([
    'It begins with two letters for the country.',
    'Your name as it stands in your passport.'
  ])
  await shot(page, 'example-form')
  await expectNoFaults(page)
})
