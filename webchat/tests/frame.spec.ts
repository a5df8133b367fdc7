/** The app in the frame: a visitor, a conversation, and the calls of the page. */

import { bubbles, chatPage, ECHO, fullscreen, kept, ready, said, say, tell } from './frame-bot'
import { chat, expect, forgive, shot, test } from './support'

test('a visitor says something, and the bot answers', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url) })
  await page.goto(host.url)
  const frame = chat(page)
  await frame.locator('button').first().click()
  await say(frame, 'hello')
  await expect(bubbles(frame)).toHaveText(['hello', 'echo of hello'])
  await expect(frame.locator('.bpw-chat-bubble-pending')).toHaveCount(0)

  await page.reload()
  await frame.locator('button').first().click()
  await expect(bubbles(frame)).toHaveText(['hello', 'echo of hello'])
})

test('three first messages at once make one conversation, in order', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const script = `for (const text of ['one', 'two', 'three']) botpressWebChat.sendEvent({ type: 'message', text })`
  const host = await site({ '/': chatPage(nudge.url, { userId: 'ada' }, script) })
  await page.goto(host.url)
  const frame = chat(page)
  await expect(bubbles(frame)).toHaveCount(6)
  expect((await said(frame)).filter(text => !text.startsWith('echo'))).toEqual(['one', 'two', 'three'])
  const list = await nudge.call('GET', '/api/v1/bots/echo/mod/channel-web/conversations/ada')
  expect((list as { conversations: unknown[] }).conversations).toHaveLength(1)
})

test('the button is there before the visitor is known, and stays the same element', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url) })
  let release = () => {}
  const held = new Promise<void>(resolve => (release = resolve))
  await page.route('**/visitors', async route => {
    await held
    await route.continue()
  })
  await page.goto(host.url)
  const frame = chat(page)
  const button = (await frame.locator('button').first().elementHandle())!
  expect(await button.evaluate(element => element.ownerDocument.getElementsByTagName('button')[0] === element)).toBe(
    true
  )
  // What is said before the visitor is known waits.
  await button.click()
  await say(frame, 'early')
  release()
  await expect(bubbles(frame)).toHaveText(['early', 'echo of early'])
  await frame.getByRole('button', { name: 'Close the chat' }).click()
  await expect(frame.locator('.bpw-layout')).toHaveCount(0)
  expect(await button.evaluate(element => element.ownerDocument.getElementsByTagName('button')[0] === element)).toBe(
    true
  )
  await expect(frame.locator('button').first()).toBeVisible()
})

test('a message that comes while the chat is closed is announced, and shown beside the button', async ({
  page,
  serve,
  site
}) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url) })
  await page.goto(host.url)
  const frame = chat(page)
  await tell(page, { type: 'count', payload: { from: 1, to: 3 } })
  await expect(frame.locator('.bpw-floating-button-unread')).toHaveText('3')
  await expect(frame.getByRole('status').first()).toHaveText('3 unread messages')
  await expect(frame.locator('.bpw-teaser-preview')).toHaveText('n3')
  await expect(page.locator('#bp-widget')).toHaveClass('bp-widget-web bp-widget-widget bp-widget-teaser')

  await frame.getByRole('button', { name: 'Dismiss the message' }).click()
  await expect(page.locator('#bp-widget')).toHaveClass('bp-widget-web bp-widget-widget')
  await expect(frame.locator('.bpw-floating-button-unread')).toHaveText('3')

  await tell(page, { type: 'count', payload: { from: 4, to: 4 } })
  await frame.locator('.bpw-teaser-open').click()
  await expect(bubbles(frame)).toHaveText(['n1', 'n2', 'n3', 'n4'])
  await expect(page.locator('#bp-widget')).toHaveClass('bp-widget-web bp-widget-side')
  await frame.getByRole('button', { name: 'Close the chat' }).click()
  await expect(frame.locator('.bpw-floating-button-unread')).toHaveCount(0)
})

test('nothing is kept in the browser but the visitor', async ({ page, context, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url), '/session': chatPage(nudge.url, { useSessionStorage: true }) })
  await page.goto(host.url)
  await tell(page, { type: 'message', text: 'hello' })
  await expect(bubbles(chat(page))).toHaveCount(2)
  const { local, session } = await kept(page)
  expect([Object.keys(local), session]).toEqual([['nudge/visitor'], {}])
  expect(JSON.parse(local['nudge/visitor']!)).toEqual({
    id: expect.stringMatching(/^nv1-[0-9A-Za-z]{22}$/),
    secret: expect.stringMatching(/^[0-9a-f]{64}$/)
  })
  expect(await context.cookies()).toEqual([])

  await page.goto(`${host.url}/session`)
  await ready(page)
  expect(Object.keys((await kept(page)).session)).toEqual(['nudge/visitor'])
})

test('a page loads a conversation, sends a payload as it is, and replaces the configuration', async ({
  page,
  serve,
  site
}) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url, { userId: 'ada', exposeStore: true }) })
  await page.goto(host.url)
  const frame = chat(page)
  await tell(page, { type: 'message', text: 'first' })
  await expect(bubbles(frame)).toHaveCount(2)
  const inside = page.frames().find(frame => frame.url().includes('/lite/'))!
  const shown = () =>
    inside.evaluate(() =>
      String((window as never as { webchat_store: { conversationId: unknown } }).webchat_store.conversationId)
    )
  const first = await shown()
  await nudge.call('POST', '/api/v1/bots/echo/mod/channel-web/conversations/ada/new')
  await frame.getByRole('button', { name: 'Conversations' }).click()
  await frame.locator('.bpw-convo-item').filter({ hasText: 'No messages yet' }).click()
  await expect(bubbles(frame)).toHaveCount(0)
  await tell(page, { type: 'loadConversation', conversationId: first })
  await expect(bubbles(frame)).toHaveText(['first', 'echo of first'])

  await page.evaluate(() => window.botpressWebChat!.sendPayload({ type: 'quick_reply', text: 'Yes', payload: 'YES' }))
  await expect(bubbles(frame).last()).toHaveText('echo of Yes')

  await page.evaluate(() => window.botpressWebChat!.configure({ userId: 'ada', botName: 'Max', enableReset: false }))
  await expect(frame.locator('.bpw-header-title')).toHaveText('Max')
  await expect(frame.getByRole('button', { name: 'Reset the conversation' })).toHaveCount(0)
  await expect(bubbles(frame)).toHaveCount(4)
})

test('where the browser refuses storage to the frame, the visitor lasts as long as the frame', async ({
  page,
  serve,
  site
}) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url) }, '127.0.0.1')
  await page.goto(host.url)
  await tell(page, { type: 'message', text: 'hello' })
  await expect(bubbles(chat(page))).toHaveText(['hello', 'echo of hello'])
  await tell(page, { type: 'message', text: 'more' })
  await expect(bubbles(chat(page))).toHaveText(['hello', 'echo of hello', 'more', 'echo of more'])
})

test('a page names another visitor while the chat runs', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url, { userId: 'ada' }) })
  await page.goto(host.url)
  const frame = chat(page)
  await tell(page, { type: 'message', text: 'I am Ada' })
  await expect(bubbles(frame)).toHaveCount(2)
  await page.evaluate(() => window.botpressWebChat!.mergeConfig({ userId: 'eve' }))
  await expect(bubbles(frame)).toHaveCount(0)
  await say(frame, 'I am Eve')
  await expect(bubbles(frame)).toHaveText(['I am Eve', 'echo of I am Eve'])
  await page.evaluate(() => window.botpressWebChat!.mergeConfig({ userId: 'ada' }))
  await expect(bubbles(frame)).toHaveText(['I am Ada', 'echo of I am Ada'])
})

test('a visitor whose secret the server does not know any more becomes a new one', async ({
  page,
  serve,
  complaints
}) => {
  const nudge = await serve(ECHO)
  await page.goto(`${nudge.url}/status`)
  await page.evaluate(() =>
    localStorage.setItem('nudge/visitor', '{"id":"nv1-AAAAAAAAAAAAAAAAAAAAAA","secret":"gone"}')
  )
  await page.goto(fullscreen(nudge))
  await page.locator('textarea').fill('hello')
  await page.locator('textarea').press('Enter')
  await expect(page.locator('.bpw-chat-bubble-content')).toHaveText(['hello', 'echo of hello'])
  expect(await page.evaluate(() => localStorage.getItem('nudge/visitor'))).not.toContain('AAAA')
  // The browser prints the 401s, and that `/status` has no icon.
  forgive(complaints, /status of 40[14]/)
})

test('a visitor whose secret is wrong is told so in the chat, until the page has the right one', async ({
  page,
  serve,
  site,
  complaints
}) => {
  const nudge = await serve({ ...ECHO, 'config/channel-web.json': '{ "visitorSecret": "always" }' })
  const { visitorId, secret } = (await nudge.call('POST', '/api/v1/bots/echo/mod/channel-web/visitors')) as Record<
    string,
    string
  >
  const host = await site({ '/': chatPage(nudge.url, { userId: visitorId, userSecret: 'wrong' }) })
  await page.goto(host.url)
  const frame = chat(page)
  await frame.locator('button').first().click()
  await expect(frame.getByText('This chat could not confirm who you are.')).toBeVisible()
  await expect(frame.locator('textarea')).toHaveCount(0)
  await shot(page, 'frame-refused')
  expect(complaints.filter(text => text.includes('nudge:'))).toEqual([
    `warning: nudge: the server does not take the secret of the visitor "${visitorId}": \`userSecret\` is missing or wrong`
  ])
  forgive(complaints, /does not take the secret of the visitor|status of 401/)
  await page.evaluate(userSecret => window.botpressWebChat!.mergeConfig({ userSecret }), secret)
  await say(frame, 'hello')
  await expect(bubbles(frame)).toHaveText(['hello', 'echo of hello'])
  await expect(frame.getByText('This chat could not confirm who you are.')).toHaveCount(0)
})

test('conversations are listed, begun, opened again, reset and downloaded', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url, { enableTranscriptDownload: true }) })
  await page.goto(host.url)
  const frame = chat(page)
  await tell(page, { type: 'message', text: 'the first' })
  await expect(bubbles(frame)).toHaveCount(2)

  await frame.getByRole('button', { name: 'Conversations' }).click()
  await frame.getByRole('button', { name: 'New conversation' }).click()
  await expect(bubbles(frame)).toHaveCount(0)
  await say(frame, 'the second')
  await expect(bubbles(frame)).toHaveText(['the second', 'echo of the second'])

  await frame.getByRole('button', { name: 'Conversations' }).click()
  await expect(frame.locator('.bpw-convo-item')).toHaveCount(2)
  await frame.locator('.bpw-convo-item').filter({ hasText: 'the first' }).click()
  await expect(bubbles(frame)).toHaveText(['the first', 'echo of the first'])

  await frame.getByRole('button', { name: 'Reset the conversation' }).click()
  await frame.getByRole('button', { name: 'Cancel' }).click()
  await expect(frame.getByRole('dialog')).toHaveCount(0)
  await frame.getByRole('button', { name: 'Reset the conversation' }).click()
  await frame.getByRole('button', { name: 'Reset', exact: true }).click()
  await expect(bubbles(frame).last()).toHaveText('Where were we?')

  const download = page.waitForEvent('download')
  await frame.getByRole('button', { name: 'Download the conversation' }).click()
  expect((await download).suggestedFilename()).toMatch(/\.txt$/)
})

test('whatever a visitor sends is shown once', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url, { userId: 'ada' }) })
  await page.goto(host.url)
  const frame = chat(page)
  await tell(page, { type: 'show' })
  for (const type of ['text', 'quick_reply', 'form', 'login_prompt', 'postback', 'request_start_conversation']) {
    const payload = { type, text: `a ${type}`, payload: 'x', data: { a: 1 } }
    await page.evaluate(payload => window.botpressWebChat!.sendPayload(payload), payload)
  }
  await say(frame, 'the end')
  await expect(bubbles(frame).last()).toHaveText('echo of the end')
  await expect(frame.locator('.bpw-chat-bubble-pending')).toHaveCount(0)
  const mine = (await said(frame)).filter(text => text.startsWith('a '))
  expect(mine).toEqual(['a text', 'a quick_reply', 'a form', 'a login_prompt', 'a postback'])
})

test('what comes in another conversation is marked while the chat is open', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url, { userId: 'ada' }) })
  await page.goto(host.url)
  const frame = chat(page)
  await tell(page, { type: 'message', text: 'here' })
  await expect(bubbles(frame)).toHaveCount(2)
  const routes = '/api/v1/bots/echo/mod/channel-web'
  const { convoId } = (await nudge.call('POST', `${routes}/conversations/ada/new`)) as { convoId: number }
  await nudge.call('POST', `${routes}/messages/ada?conversationId=${convoId}`, { type: 'text', text: 'there' })
  await frame.getByRole('button', { name: 'Conversations: something new' }).click()
  await expect(bubbles(frame)).toHaveCount(0)
  await frame.locator('.bpw-convo-item').filter({ hasText: 'there' }).click()
  await expect(bubbles(frame)).toHaveText(['there', 'echo of there'])
  await expect(frame.getByRole('button', { name: 'Conversations', exact: true })).toBeVisible()
})

test('files are sent by the button, from the clipboard, and dropped', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url) })
  await page.goto(host.url)
  const frame = chat(page)
  await frame.locator('button').first().click()
  const file = (name: string) => ({ name, mimeType: 'text/plain', buffer: Buffer.from('x') })
  await frame.locator('input[type=file]').first().setInputFiles(file('picked.txt'))
  await expect(bubbles(frame)).toHaveText([/picked\.txt/])
  await frame.locator('textarea').evaluate(area => {
    const data = new DataTransfer()
    data.items.add(new File(['x'], 'pasted.txt', { type: 'text/plain' }))
    area.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
  })
  await expect(bubbles(frame)).toHaveText([/picked\.txt/, /pasted\.txt/])
  await frame.locator('.bpw-layout').evaluate(panel => {
    const dataTransfer = new DataTransfer()
    dataTransfer.items.add(new File(['x'], 'dropped.txt', { type: 'text/plain' }))
    panel.dispatchEvent(new DragEvent('drop', { dataTransfer, bubbles: true, cancelable: true }))
  })
  await expect(bubbles(frame)).toHaveText([/picked\.txt/, /pasted\.txt/, /dropped\.txt/])
  await expect(frame.locator('.bpw-chat-bubble-pending')).toHaveCount(0)
})

test('the page hears what happens in the chat, with its name', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const host = await site({ '/': chatPage(nudge.url, { chatId: 'help', userId: 'ada', containerWidth: 420 }) })
  await page.goto(host.url)
  await ready(page)
  await page.evaluate(() => window.botpressWebChat!.sendEvent({ type: 'message', text: 'hello' }, 'help'))
  await expect(bubbles(chat(page, '#bp-widget-help'))).toHaveCount(2)
  // It may hear of a message after the chat has shown it.
  await page.waitForFunction(() =>
    (window as never as { heard: Record<string, unknown>[] }).heard.some(one => one.message_text === 'echo of hello')
  )
  const heard = await page.evaluate(() => (window as never as { heard: Record<string, unknown>[] }).heard)
  expect(heard.map(one => one.chatId)).toEqual(heard.map(() => 'help'))
  expect(heard.map(one => one.name).filter(Boolean)).toEqual(['webchatLoaded', 'webchatReady', 'webchatOpened'])
  expect(heard).toContainEqual({ userId: 'ada', chatId: 'help' })
  expect(heard).toContainEqual({ type: 'setWidth', value: 420, chatId: 'help' })
  expect(heard).toContainEqual(expect.objectContaining({ message_type: 'text', message_text: 'echo of hello' }))
})

test('the page of the bot leads into a conversation', async ({ page, serve, site }) => {
  const nudge = await serve({ ...ECHO, 'config/channel-web.json': '{ "showBotInfoPage": true }' })
  const host = await site({ '/': chatPage(nudge.url) })
  await page.goto(host.url)
  const frame = chat(page)
  await frame.locator('button').first().click()
  await expect(frame.locator('.bpw-botinfo-container')).toContainText('Knows everything about tests')
  await frame.getByRole('button', { name: 'Start the conversation' }).click()
  await expect(bubbles(frame).last()).toHaveText('Let us begin')
  await tell(page, { type: 'toggleBotInfo' })
  await frame.getByRole('button', { name: 'Back to the conversation' }).click()
  await expect(bubbles(frame).last()).toBeVisible()
})

test('a chat on its own fills the window, and takes style sheets of its server only', async ({ page, serve, site }) => {
  const nudge = await serve(ECHO)
  const evil = await site({ '/evil.css': '' })
  const requests: string[] = []
  page.on('request', request => requests.push(request.url()))
  const config = { extraStylesheet: `${evil.url}/evil.css`, stylesheet: '/assets/modules/channel-web/default.css' }
  await page.goto(fullscreen(nudge, config))
  await expect(page.locator('textarea')).toBeVisible()
  await expect(page.locator('.bpw-floating-button')).toHaveCount(0)
  await expect(page.getByRole('button', { name: 'Close the chat' })).toHaveCount(0)
  await expect(page.locator('link[href$="/default.css"]')).toHaveCount(1)
  expect(requests.filter(url => url.startsWith(evil.url))).toEqual([])
})
