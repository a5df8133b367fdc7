/**
 * Realtime with catch-up: each message once, in order, however often the connection goes. The server is one in memory,
 * behind `fetch`; what realtime brings is handed to the session as the socket hands it.
 */
// @vitest-environment jsdom

import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Message } from '../types'
import { openApi } from './api'
import { complete } from './config'
import { openSession, type Session } from './session'
import { openStore, type Store } from './store'

/** Messages a page of the catch-up has here; the server's own is larger. */
const PAGE = 3

/** Conversations in memory, behind `fetch`. */
class Server {
  conversations = new Map<number, Message[]>()
  away = false
  startNewConvoOnTimeout = false
  /** When everything is said, for tests of what has one and the same time. */
  time: string | undefined
  /** Runs before the answer to a request, the history having been read already. */
  meanwhile = () => {}

  say(text: string, conversation = 1, userId?: string): Message {
    const message: Message = {
      id: text,
      conversationId: userId ? conversation : String(conversation),
      ...(userId ? { userId } : {}),
      full_name: userId ? 'User' : 'Bot',
      message_type: 'text',
      message_text: text,
      payload: { type: 'text', text },
      sent_on: this.time ?? new Date().toISOString()
    }
    this.conversations.set(conversation, [...(this.conversations.get(conversation) ?? []), message])
    return message
  }

  fetch = async (address: string): Promise<Response> => {
    if (this.away) throw new TypeError('Failed to fetch')
    const url = new URL(address)
    const answer = this.answer(url)
    this.meanwhile()
    this.meanwhile = () => {}
    return answer ? Response.json(answer) : new Response('BP_CONV_NOT_FOUND', { status: 404 })
  }

  private answer(url: URL): unknown {
    const [, id] = /\/conversations\/me\/(\w+)$/.exec(url.pathname) ?? []
    if (id === undefined) {
      const conversations = [...this.conversations].map(([id, messages]) => ({
        id,
        title: '',
        created_on: messages[0]?.sent_on,
        last_heard_on: messages[messages.length - 1]?.sent_on
      }))
      const { startNewConvoOnTimeout } = this
      return { conversations, startNewConvoOnTimeout, recentConversationLifetime: '6 hours' }
    }
    const messages = this.conversations.get(Number(id))
    if (!messages) return undefined
    const after = url.searchParams.get('after')
    const at = messages.findIndex(message => message.id === after)
    // From the time of that one on.
    const begin = messages.findIndex(message => message.sent_on === messages[at]?.sent_on)
    return { id: Number(id), messages: at < 0 ? messages.slice(-20) : messages.slice(begin, at + 1 + PAGE) }
  }
}

let server: Server
let store: Store
let session: Session
let fresh: string[]
let old: string[]

beforeEach(() => {
  server = new Server()
  vi.stubGlobal('fetch', server.fetch)
  store = openStore(
    { root: 'http://x', botId: 'b', config: complete({}), fullscreen: false, pageDirection: 'ltr' },
    'en'
  )
  fresh = []
  old = []
  session = openSession(
    store,
    openApi('http://x/api', { id: 'me' }, () => undefined),
    {
      fresh: message => fresh.push(message.id),
      history: messages => old.push(...messages.map(message => message.id)),
      trouble: is => (store.offline.value = is),
      event() {}
    }
  )
})
afterEach(() => {
  session.end()
  vi.useRealTimers()
})

const shown = () => store.messages.value.map(message => message.id).join(' ')
const hear = (message: Message) =>
  session.hear({ name: 'guest.webchat.message', data: { ...message, __room: 'visitor:me', botId: 'b' } })

test('the recent conversation is shown, and none of it is news', async () => {
  server.say('old', 1)
  await session.start(undefined)
  expect([store.conversation.value, shown(), fresh]).toEqual([1, 'old', []])
})

test('without a conversation the first message heard says which one it is', async () => {
  await session.start(undefined)
  expect(store.conversation.value).toBe(null)
  hear(server.say('first', 7))
  hear(server.say('mine', 7, 'me'))
  expect([store.conversation.value, shown()]).toEqual(['7', 'first mine'])
})

test('a connection that is lost ten times while the bot speaks loses and repeats nothing', async () => {
  server.say('0', 1)
  await session.start(undefined)
  const all = ['0']
  for (let round = 1; round <= 10; round++) {
    // While the connection is away, and more than a page.
    for (let at = 0; at < round; at++) all.push(server.say(`${round}.${at}`).id)
    // While the history is read: once among what is read, once not, once both.
    server.meanwhile = () => {
      const live = server.say(`${round}.live`)
      all.push(live.id)
      hear(live)
      hear(live)
    }
    await session.catchUp()
    const later = server.say(`${round}.later`)
    all.push(later.id)
    hear(later)
  }
  expect(shown()).toBe(all.join(' '))
  expect(fresh).toEqual(all.slice(1))
})

test('what has the time of the oldest message of a history comes before it, and is no news', async () => {
  server.time = new Date().toISOString()
  const all = Array.from({ length: 25 }, (_, at) => server.say(`m${at}`).id)
  await session.start(undefined)
  expect(store.messages.value).toHaveLength(20)
  all.push(server.say('late').id)
  await session.catchUp()
  expect([shown(), fresh]).toEqual([all.join(' '), ['late']])
  expect([...old].sort()).toEqual(all.slice(0, 25).sort())
})

test('what was missed and stands between messages that were heard is put there, and is news', async () => {
  server.time = new Date().toISOString()
  await session.start(undefined)
  const [first, , third] = ['a', 'b', 'c'].map(text => server.say(text))
  hear(first!)
  hear(third!)
  await session.catchUp()
  expect([shown(), fresh]).toEqual(['a b c', ['a', 'c', 'b']])
})

test('what is heard while the history is read comes behind it', async () => {
  server.say('a')
  await session.start(undefined)
  server.say('b')
  const reading = session.catchUp()
  hear({ ...server.say('c'), id: 'c' })
  expect(shown()).toBe('a')
  await reading
  expect(shown()).toBe('a b c')
})

test('a conversation that began while the connection was away is found when it is back', async () => {
  await session.start(undefined)
  server.say('I speak first', 3)
  await session.catchUp()
  expect([store.conversation.value, shown(), fresh]).toEqual([3, 'I speak first', ['I speak first']])
})

test('a history that cannot be read is asked for until it can', async () => {
  vi.useFakeTimers()
  server.say('a')
  await session.start(undefined)
  server.away = true
  server.say('b')
  const reading = session.catchUp()
  await vi.advanceTimersByTimeAsync(4000)
  expect([shown(), store.offline.value]).toEqual(['a', true])
  hear(server.say('c'))
  server.away = false
  await vi.advanceTimersByTimeAsync(15_000)
  await reading
  expect([shown(), store.offline.value]).toEqual(['a b c', false])
})

test('a conversation the page names is shown; one that is not there is not', async () => {
  server.say('one', 1)
  server.say('two', 2)
  await session.start('1')
  expect(shown()).toBe('one')
  await session.start(99)
  expect(shown()).toBe('two')
})

test('messages of other conversations and of other bots are not mixed in', async () => {
  server.say('a', 1)
  await session.start(undefined)
  hear(server.say('elsewhere', 2))
  session.hear({ name: 'guest.webchat.message', data: { ...server.say('other bot'), botId: 'another' } })
  expect([shown(), fresh]).toEqual(['a', ['elsewhere']])
})

test('typing is shown for its time, is extended, and ends with the message', async () => {
  vi.useFakeTimers()
  server.say('a')
  await session.start(undefined)
  const type = (timeInMs: number) =>
    session.hear({ name: 'guest.webchat.typing', data: { timeInMs, conversationId: '1' } })
  type(1000)
  vi.advanceTimersByTime(800)
  type(1000)
  // A shorter one does not end what a longer one has begun.
  type(100)
  vi.advanceTimersByTime(900)
  expect(store.typing.value).toBe(true)
  vi.advanceTimersByTime(100)
  expect(store.typing.value).toBe(false)
  type(1000)
  hear(server.say('b'))
  expect(store.typing.value).toBe(false)
})

test('realtime events that make no sense are not shown', async () => {
  await session.start(undefined)
  for (const data of [{}, { id: 7 }, { id: 'x' }, { id: 'x', conversationId: {} }]) {
    session.hear({ name: 'guest.webchat.message', data })
  }
  session.hear({ name: 'guest.webchat.typing', data: { timeInMs: 'long' } })
  expect([shown(), store.typing.value]).toEqual(['', false])
})

test('what is heard too long ago makes way for a new conversation, if the server says so', async () => {
  vi.useFakeTimers({ now: Date.parse('2026-03-02T08:00:00Z') })
  server.say('a')
  server.startNewConvoOnTimeout = true
  await session.start(undefined)
  vi.setSystemTime(Date.parse('2026-03-02T13:59:00Z'))
  expect(session.isStale()).toBe(false)
  vi.setSystemTime(Date.parse('2026-03-02T14:01:00Z'))
  expect(session.isStale()).toBe(true)
  server.startNewConvoOnTimeout = false
  await session.refreshList()
  expect(session.isStale()).toBe(false)
})

test('a visit says which conversation it is, and is not shown', async () => {
  await session.start(undefined)
  hear({ ...server.say('User visit', 4, 'me'), message_type: 'visit' })
  expect([store.conversation.value, shown(), fresh]).toEqual([4, '', []])
})

test('a message that says it was sent at no time is shown as of now, and does not take the list down', async () => {
  await session.start(undefined)
  for (const sent_on of ['never', '', {}, 8.64e15 + 1])
    hear({ ...server.say(`at ${String(sent_on)}`, 7), sent_on } as never)
  expect(store.messages.value).toHaveLength(4)
  for (const { sent_on } of store.messages.value) expect(new Date(sent_on).toISOString()).toMatch(/^20/)
})

test.each([
  ['visitor_secret_invalid', false],
  ['visitor_secret_required', false],
  ['InvalidExternalToken', true],
  ['UnauthorizedError', true]
])('a refusal of the type %s: the visitor is still the same: %s', async (type, same) => {
  vi.spyOn(console, 'warn').mockImplementation(() => {})
  vi.stubGlobal('fetch', async () => Response.json({ statusCode: 401, type }, { status: 401 }))
  expect(await session.start(undefined)).toBe(same)
})
