/** Messages of a conversation: each once, in order, in groups. */

import { expect, test } from 'vitest'
import type { ConversationRow, Message } from '../types'
import { group, lastSeen, merge, milliseconds, readOn, recent, sameConversation, tail } from './thread'

const message = (id: string, more: Partial<Message> = {}): Message => ({
  id,
  conversationId: 1,
  full_name: 'Bot',
  message_type: 'text',
  payload: { type: 'text', text: id },
  sent_on: '2026-03-02T10:00:00.000Z',
  ...more
})
const messages = (...ids: string[]) => ids.map(id => message(id))
const ids = (all: readonly Message[]) => all.map(one => one.id).join('')

test('a message that comes twice is there once', () => {
  const before = messages('a', 'b')
  expect(ids(merge(before, messages('b', 'c', 'c')))).toBe('abc')
  expect(merge(before, messages('a'))).toBe(before)
})

test.each([
  ['behind what is there', 'cd', 'cdef', 'cdef'],
  ['before what is there', 'cd', 'abcd', 'abcd'],
  ['on both sides', 'cd', 'abcdef', 'abcdef'],
  ['between what is there', 'ad', 'abcd', 'abcd'],
  ['knowing none of it', 'ab', 'xy', 'abxy'],
  ['into an empty list', '', 'abc', 'abc'],
  ['where what is there was told in another order, which stays', 'acb', 'abxcy', 'axcby']
])('a page is laid over the list: %s', (_, before, page, after) => {
  expect(ids(merge(messages(...before), messages(...page)))).toBe(after)
})

test('conversation numbers and their texts are the same conversation', () => {
  expect(sameConversation(12, '12')).toBe(true)
  expect(sameConversation(12, 13)).toBe(false)
  expect(sameConversation(null, null)).toBe(false)
})

test('the last message seen is not a visit: histories leave those out', () => {
  expect(lastSeen([message('a'), message('b', { message_type: 'visit' })])).toBe('a')
  expect(lastSeen([])).toBeUndefined()
})

/** A server with these messages; pages as the server gives them, from the instant of the asked-for one on. */
const server = (all: readonly Message[], size: number) => {
  const asked: (string | undefined)[] = []
  return {
    asked,
    page: async (after: string | undefined) => {
      asked.push(after)
      const at = all.findIndex(one => one.id === after)
      const begin = all.findIndex(one => one.sent_on === all[at]?.sent_on)
      return all.slice(Math.max(begin, 0), at + 1 + size)
    }
  }
}

test('what was missed is read page by page until nothing is new', async () => {
  const all = [...'abcdefg'].map((id, at) => message(id, { sent_on: `2026-03-02T10:00:0${at}.000Z` }))
  const { asked, page } = server(all, 2)
  expect(ids(await readOn(all.slice(0, 2), page))).toBe('abcdefg')
  expect(asked).toEqual(['b', 'd', 'f', 'g'])
})

test('of an instant that the history had the end of, the rest comes before it', async () => {
  const all = messages(...'abcdefg')
  const { asked, page } = server(all, 2)
  expect(ids(await readOn(all.slice(-3), page))).toBe('abcdefg')
  expect(asked).toEqual(['g', 'g'])
})

test('a server that repeats messages of the same instant does not keep the frame busy', async () => {
  const page = async () => messages('a', 'b')
  expect(ids(await readOn(messages('a', 'b'), page))).toBe('ab')
  expect(ids(await readOn(messages('a'), page))).toBe('ab')
})

const row = (id: number, heard: string | null, created = '2026-03-01T00:00:00Z') =>
  ({ id, title: '', created_on: created, last_heard_on: heard }) satisfies ConversationRow

test('the recent conversation is the one heard last, within its lifetime', () => {
  const now = Date.parse('2026-03-02T12:00:00Z')
  const rows = [row(1, '2026-03-02T05:00:00Z'), row(2, '2026-03-02T08:00:00Z'), row(3, null)]
  expect(recent(rows, milliseconds('6 hours'), now)?.id).toBe(2)
  expect(recent(rows, milliseconds('1h'), now)).toBeUndefined()
  expect(recent([], milliseconds('6 hours'), now)).toBeUndefined()
  expect(recent([row(4, null, '2026-03-02T11:59:00Z')], milliseconds('1h'), now)?.id).toBe(4)
})

test('lifetimes are read as people write them', () => {
  expect(milliseconds('6 hours')).toBe(21_600_000)
  expect(milliseconds('30m')).toBe(1_800_000)
  expect(milliseconds('1.5 days')).toBe(129_600_000)
  expect(milliseconds('500 ms')).toBe(500)
  expect(milliseconds('soon')).toBe(21_600_000)
})

test('messages are grouped by author, pause and day', () => {
  const at = (time: string, more: Partial<Message> = {}) => message(time, { sent_on: `2026-03-${time}:00`, ...more })
  const groups = group([
    at('02T10:00'),
    at('02T10:01'),
    at('02T10:02', { userId: 'me' }),
    at('02T10:03'),
    at('02T10:20'),
    at('03T10:00', { full_name: 'Eve' }),
    at('03T10:01')
  ])
  expect(groups.map(one => [one.fromBot, one.messages.length, one.day?.getDate()])).toEqual([
    [true, 2, 2],
    [false, 1, undefined],
    [true, 1, undefined],
    [true, 1, undefined],
    [true, 1, 3],
    [true, 1, undefined]
  ])
})

test('the end of a long list keeps the keys of its groups, also of the one that is cut', () => {
  const by = (author: string | undefined, text: string) =>
    [...text].map(id => message(id, author === undefined ? {} : { userId: author }))
  const groups = group([...by(undefined, 'abc'), ...by('me', 'd'), ...by(undefined, 'ef')])
  const shown = (count: number) => tail(groups, count).map(one => `${one.key}:${ids(one.messages)}`)
  expect(shown(6)).toEqual(['a:abc', 'd:d', 'e:ef'])
  expect(shown(9)).toEqual(shown(6))
  expect(shown(5)).toEqual(['a:bc', 'd:d', 'e:ef'])
  expect(shown(3)).toEqual(['d:d', 'e:ef'])
  expect(shown(1)).toEqual(['e:f'])
  expect(shown(0)).toEqual([])
})
