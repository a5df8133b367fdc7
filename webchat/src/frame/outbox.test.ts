/** What is sent: in order, and nothing lost. */

import { expect, test, vi } from 'vitest'
import type { Message } from '../types'
import { CallFailed } from './api'
import { messageOf, openOutbox, shownLetters, type Letter } from './outbox'

const say = (text: string) => ({ kind: 'message', payload: { type: 'text', text } }) as const
const tell = (type: string) => ({ kind: 'event', payload: { type } }) as const

/** A server that can be away, or refuse. */
function server() {
  const heard: string[] = []
  const state = { away: false, refuses: '' }
  const deliver = async (letter: Letter) => {
    await Promise.resolve()
    const said = 'payload' in letter ? String(letter.payload.text ?? letter.payload.type) : letter.kind
    if (state.away) throw new CallFailed(0, 'away')
    if (said === state.refuses) throw new CallFailed(400, 'too long')
    heard.push(said)
  }
  return { heard, state, outbox: openOutbox(deliver) }
}

const copy = (text: string, id = `copy of ${text}`): Message => ({
  id,
  conversationId: 1,
  userId: 'me',
  full_name: 'User',
  message_type: 'text',
  message_text: text,
  payload: { type: 'text', text },
  sent_on: '2026-03-02T10:00:00Z'
})
const states = (letters: readonly Letter[]) => letters.map(letter => letter.state)

test('all is sent in the order in which it was said', async () => {
  const { heard, outbox } = server()
  for (const text of 'abc') outbox.add(say(text))
  outbox.add(tell('proactive-trigger'))
  await vi.waitFor(() => expect(heard).toEqual(['a', 'b', 'c', 'proactive-trigger']))
})

test('an event is done when the server has it, a message when its copy has come', async () => {
  const { outbox } = server()
  outbox.add(say('a'))
  outbox.add(tell('x'))
  await vi.waitFor(() => expect(states(outbox.letters.value)).toEqual(['sent']))
  outbox.settle(copy('a'))
  expect(outbox.letters.value).toEqual([])
  expect(outbox.keyOf('copy of a')).toBe('letter-1')
})

test('the copy of a message may come before the answer', async () => {
  let answer = () => {}
  const outbox = openOutbox(() => new Promise<void>(resolve => (answer = resolve)))
  outbox.add(say('a'))
  outbox.settle(copy('a'))
  answer()
  await Promise.resolve()
  expect(outbox.letters.value).toEqual([])
})

test('when the server is away nothing is lost, and the order is kept', async () => {
  const { heard, state, outbox } = server()
  state.away = true
  outbox.add(say('a'))
  outbox.add(tell('x'))
  outbox.add(say('b'))
  await vi.waitFor(() => expect(states(outbox.letters.value)).toEqual(['failed', 'failed', 'failed']))
  state.away = false
  outbox.retry(3)
  await vi.waitFor(() => expect(heard).toEqual(['a', 'x', 'b']))
})

test('what the server has after all is not sent again', async () => {
  const { heard, state, outbox } = server()
  state.away = true
  outbox.add(say('a'))
  await vi.waitFor(() => expect(states(outbox.letters.value)).toEqual(['failed']))
  outbox.settle(copy('a'))
  state.away = false
  outbox.run()
  outbox.add(say('b'))
  await vi.waitFor(() => expect(heard).toEqual(['b']))
})

test('an old message of the same words does not stand for one that was not sent', async () => {
  const { state, outbox } = server()
  state.away = true
  outbox.add(say('hi'))
  await vi.waitFor(() => expect(states(outbox.letters.value)).toEqual(['failed']))
  outbox.settle(copy('hi'), true)
  expect(outbox.letters.value).toHaveLength(1)
})

test('what the server refuses holds back nothing, stays in sight, and can be tried again', async () => {
  const { heard, state, outbox } = server()
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => {})
  state.refuses = 'a'
  outbox.add(say('a'))
  outbox.add(say('b'))
  await vi.waitFor(() => expect(states(outbox.letters.value)).toEqual(['refused', 'sent']))
  expect(warned).toHaveBeenCalledOnce()
  state.refuses = ''
  outbox.retry(1)
  await vi.waitFor(() => expect(heard).toEqual(['b', 'a']))
})

test('one copy settles one of two messages of the same words', async () => {
  const { outbox } = server()
  outbox.add(say('a'))
  outbox.add(say('a'))
  await vi.waitFor(() => expect(states(outbox.letters.value)).toEqual(['sent', 'sent']))
  outbox.settle(copy('a'))
  expect(outbox.letters.value.map(letter => letter.id)).toEqual([2])
})

test('what is said is shown in its conversation only; visits and events never', () => {
  const outbox = openOutbox(() => new Promise(() => {}))
  outbox.add(say('here'), 1)
  outbox.add(say('there'), 2)
  outbox.add(say('anywhere'))
  outbox.add({ kind: 'message', payload: { type: 'visit', text: 'User visit' } })
  outbox.add(tell('x'))
  const shown = shownLetters(outbox.letters.value, '1').map(letter => messageOf(letter, 'me').message_text)
  expect(shown).toEqual(['here', 'anywhere'])
})

test('what a server that is there could not take is sent by itself after a while', async () => {
  vi.useFakeTimers()
  const heard: string[] = []
  const answers = [503, 429, 200]
  const outbox = openOutbox(async letter => {
    const status = answers.shift() ?? 200
    if (status !== 200) throw new CallFailed(status, 'full')
    heard.push('payload' in letter ? String(letter.payload.type) : letter.kind)
  })
  outbox.add(tell('proactive-trigger'))
  await vi.runAllTimersAsync()
  expect([heard, outbox.letters.value, answers]).toEqual([['proactive-trigger'], [], []])
  vi.useRealTimers()
})

test.each([429, 507])(
  'a file that there is no room for (%i) holds back nothing that is said after it',
  async status => {
    const heard: string[] = []
    const outbox = openOutbox(async letter => {
      if (letter.kind === 'file') throw new CallFailed(status, 'too many')
      heard.push('payload' in letter ? String(letter.payload.text) : letter.kind)
    })
    outbox.add({ kind: 'file', file: new File(['x'], 'x.png') })
    outbox.add(say('hello'))
    await vi.waitFor(() => expect(heard).toEqual(['hello']))
    expect(states(outbox.letters.value)).toEqual(['refused', 'sent'])
  }
)
