/** The chat as a page drives it: who visits may change at any time. The server is one in memory, behind `fetch`. */
// @vitest-environment jsdom

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openChat, type Chat } from './chat'
import { complete } from './config'
import { openStore, type Store } from './store'

/** What was sent, as `visitor: text`. */
let sent: string[]
/** Ends the waiting of requests of a visitor. */
let hold: Promise<void>
let release: () => void
let store: Store
let chat: Chat
let connections: string[]

beforeEach(() => {
  sent = []
  connections = []
  hold = new Promise(resolve => (release = resolve))
  vi.stubGlobal('fetch', async (address: string, init: RequestInit): Promise<Response> => {
    const { pathname } = new URL(address)
    if (pathname.endsWith('/botInfo')) return Response.json({ name: 'Bot', description: '', details: {} })
    if (pathname.endsWith('/new')) return Response.json({ convoId: 1 })
    if (pathname.endsWith('/files')) return new Response('no room', { status: 507 })
    const [, kind, visitor] = /\/(messages|conversations)\/(\w+)$/.exec(pathname) ?? []
    const secret = (init.headers as Record<string, string> | undefined)?.['X-Visitor-Secret']
    if (visitor === 'locked' && secret !== 'right')
      return Response.json({ type: 'visitor_secret_invalid' }, { status: 401 })
    if (kind === 'conversations') {
      if (visitor === 'slow') await hold
      return Response.json({ conversations: [], startNewConvoOnTimeout: false, recentConversationLifetime: '6 hours' })
    }
    sent.push(`${visitor}: ${(JSON.parse(String(init.body)) as { text: string }).text}`)
    return new Response('OK')
  })
  store = openStore(
    { root: 'http://x', botId: 'b', config: complete({ userId: 'first' }), fullscreen: true, pageDirection: 'ltr' },
    'en'
  )
  const connect = (_root: string, visitor: { id: string }): (() => void) => {
    connections.push(visitor.id)
    return () => void connections.splice(connections.indexOf(visitor.id), 1)
  }
  chat = openChat(store, { post() {} }, connect, () => {})
})
afterEach(() => vi.unstubAllGlobals())

function become(userId: string, userSecret?: string): void {
  store.config.value = { ...store.config.value, userId, userSecret }
  chat.visit()
}

test('what a visitor said before the page named another one is not said in that one\u2019s name', async () => {
  await vi.waitFor(() => expect(sent).toEqual(['first: User visit']))
  become('slow')
  await vi.waitFor(() => expect(store.visitor.value?.id).toBe('slow'))
  // Under way: it waits until the conversation of the one who says it is known.
  chat.say('my account is 12345')
  become('next')
  release()
  await vi.waitFor(() => expect(store.loading.value).toBe(false))
  chat.say('hello')
  await vi.waitFor(() => expect(sent).toContain('next: hello'))
  expect(sent.filter(text => text.includes('12345'))).toEqual([])
  expect(connections).toEqual(['next'])
})

test('what a visitor wrote is not there for the next one, by the arrow keys or in the field', async () => {
  chat.say('my account is 12345')
  store.draft.value = 'and my PIN'
  await vi.waitFor(() => expect(sent).toContain('first: my account is 12345'))
  become('next')
  expect([store.said.value, store.draft.value]).toEqual([[], ''])
})

test('a file that is larger than the server takes is not sent, and the visitor is told how large one may be', () => {
  chat.upload(new File([new Uint8Array((5 << 20) + 1)], 'film.mp4'))
  expect([store.notice.value, chat.outbox.letters.value]).toEqual([
    'This file is too large: 5 MB at most.',
    [expect.objectContaining({ kind: 'message' })]
  ])
})

test('a limit of less than a tenth of a megabyte is not said to be 0 MB', () => {
  store.limits.file = 1 << 10
  chat.upload(new File([new Uint8Array((1 << 10) + 1)], 'film.mp4'))
  expect(store.notice.value).toBe('This file is too large: 1 kB at most.')
})

test('a file that the server has no room for is said to be so', async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  chat.upload(new File(['x'], 'x.txt'))
  await vi.waitFor(() => expect(store.notice.value).toMatch(/^No more files can be taken now/))
})

test('a visitor whose secret is wrong is told so, and what was to be sent is, once the page has the right one', async () => {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => {})
  become('locked', 'wrong')
  await vi.waitFor(() => expect(store.refused.value).toBe(true))
  expect([store.loading.value, connections]).toEqual([false, []])
  chat.send({ type: 'text', text: 'from the page' })
  store.draft.value = 'half a word'
  become('locked', 'right')
  await vi.waitFor(() => expect(sent).toContain('locked: from the page'))
  expect([store.refused.value, connections, store.draft.value]).toEqual([false, ['locked'], 'half a word'])
  expect(warned.mock.calls).toEqual([[expect.stringContaining('does not take the secret of the visitor "locked"')]])
})

test('what was to be sent by a visitor whose secret is wrong is not sent by another one', async () => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  become('locked')
  await vi.waitFor(() => expect(store.refused.value).toBe(true))
  chat.send({ type: 'text', text: 'my account is 12345' })
  become('next')
  await vi.waitFor(() => expect(store.loading.value).toBe(false))
  chat.say('hello')
  await vi.waitFor(() => expect(sent).toContain('next: hello'))
  expect(sent.filter(text => text.includes('12345'))).toEqual([])
})
