/** Everybody can use pages that hold a chat: axe finds nothing, in either direction, nor in the chat on a page of its own. */

import { AxeBuilder } from '@axe-core/playwright'
import { chat, embedding, expect, GREETER, settled, shot, test, type Files, type Nudge, type Page } from './support'

const API = '/api/v1/bots/greeter/mod/channel-web'

const SHOWROOM: Files = {
  ...GREETER,
  'bots/greeter/bot.config.json': JSON.stringify({
    name: 'Mia',
    description: 'Knows the shop and its opening hours.',
    details: { website: 'https://shop.example', emailAddress: 'mia@shop.example', phoneNumber: '+33 1 23 45 67 89' }
  }),
  'hooks/before_incoming_middleware/show.js': `event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
if (event.type === 'show-all') bp.events.replyToEvent(event, event.payload.all)`
}

const ALL = [
  {
    type: 'text',
    text: 'Hello! Here is **what I have**: [a link](https://shop.example), `code`, and\n\n1. one\n2. two',
    markdown: true
  },
  {
    type: 'carousel',
    elements: [
      {
        title: 'The copper kettle',
        subtitle: 'Two litres, whistles in F sharp',
        buttons: [{ title: 'More', type: 'postback', payload: 'MORE' }]
      },
      {
        title: 'The travel kettle',
        subtitle: 'Folds flat',
        buttons: [{ title: 'Look', type: 'open_url', url: 'https://shop.example' }]
      }
    ]
  },
  { type: 'file', url: 'https://shop.example/prices.pdf', title: 'Prices', name: 'prices.pdf' },
  {
    type: 'custom',
    module: 'channel-web',
    component: 'QuickReplies',
    quick_replies: [
      { title: 'Opening hours', payload: 'HOURS' },
      { title: 'Prices', payload: 'PRICES' }
    ],
    wrapped: { type: 'text', text: 'What would you like to know?' }
  }
]

/** A talk of the visitor `ada`, with something of everything. */
async function talk(nudge: Nudge): Promise<void> {
  await nudge.call('POST', `${API}/messages/ada`, { type: 'text', text: 'Hi there' })
  await nudge.call('POST', `${API}/events/ada`, { type: 'show-all', all: ALL })
  await settled(nudge)
}

async function expectNoFaults(page: Page, view: string): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help} (${nodes.map(node => node.html).join(' ')})`)
  expect(found, view).toEqual([])
}

const frame = (page: Page) => chat(page)

test('the chat on a page of its own has no faults, and neither have pages that hold it', async ({
  page,
  serve,
  site
}) => {
  const nudge = await serve(SHOWROOM)
  await talk(nudge)
  const host = await site({ '/': embedding(nudge.url, '', { userId: 'ada' }) })
  await page.goto(`${host.url}/`)
  await frame(page).locator('.bpw-floating-button').click()
  await expect(frame(page).locator('.bpw-chat-bubble').last()).toBeVisible()
  await shot(page, 'page-with-chat')
  await expectNoFaults(page, 'a page')
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.goto(`${nudge.url}/s/greeter`)
  await expect(page).toHaveTitle('Mia')
  await page.getByRole('textbox').fill('Hello')
  await page.keyboard.press('Enter')
  await expect(page.locator('.bpw-chat-bubble').last()).toBeVisible()
  await shot(page, 'page-of-its-own')
  await expectNoFaults(page, 'full screen')
})

test('Arabic is written from the right, also in the page', async ({ page, serve, site }) => {
  const nudge = await serve(SHOWROOM)
  await nudge.call('POST', `${API}/messages/ada`, { type: 'text', text: 'مرحبا، متى تفتحون؟' })
  await nudge.call('POST', `${API}/events/ada`, {
    type: 'show-all',
    all: [{ type: 'text', text: 'نفتح من التاسعة صباحا حتى السادسة مساء.' }, ALL[3]]
  })
  await settled(nudge)
  const html = embedding(nudge.url, `window.botpressWebChat.sendEvent({ type: 'show' })`, {
    userId: 'ada',
    locale: 'ar'
  })
  const host = await site({ '/': html.replace('lang="en"', 'lang="ar" dir="rtl"') })
  await page.goto(`${host.url}/`)
  await expect(frame(page).locator('.bpw-chat-bubble').last()).toBeVisible()
  await expect(frame(page).locator('html')).toHaveAttribute('dir', 'rtl')
  expect((await page.locator('#bp-widget').boundingBox())?.x).toBe(0)
  await shot(page, 'view-arabic')
  await expectNoFaults(page, 'Arabic')
  await page.setViewportSize({ width: 390, height: 780 })
  await shot(page, 'view-arabic-phone')
})
