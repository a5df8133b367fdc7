/**
 * Payloads that are not what they should be: nothing throws, and something quiet is shown.
 * @vitest-environment jsdom
 */

import { render } from '@testing-library/preact'
import { beforeAll, expect, test, vi } from 'vitest'
import { english } from '../i18n'
import type { Message } from '../types'
import { isShown, keyboardMessage, loadMarkdown, MessageBody, previewOf } from '.'
import { DEEPEST } from './read'
import { kinds } from './table'
import { botMessage, contextOf, show, userMessage } from './testing'

beforeAll(loadMarkdown)

const nested = (depth: number): unknown =>
  depth === 0 ? 'x' : { wrapped: nested(depth - 1), type: 'custom', text: [[]] }
const ODD: unknown[] = [
  null,
  undefined,
  0,
  -1,
  NaN,
  true,
  '',
  'text',
  [],
  [null],
  [[[]]],
  [[null, 1, 'a'], {}],
  {},
  { type: null },
  { length: 5 },
  Object.create(null),
  () => 1,
  Symbol('x'),
  10n,
  nested(3),
  nested(5_000),
  'x'.repeat(100_000)
]
const MEMBERS = (
  'type text title subtitle picture image video audio file url name size mime elements items buttons actions settings ' +
  'quick_replies choices options wrapped message buttonText placeholderText displayInKeyboard allowMultiple allowCreation ' +
  'width latitude longitude address markdown module component payload label value'
).split(' ')

function check(message: Message) {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  const { root, unmount } = show(message)
  expect(typeof previewOf(message, english)).toBe('string')
  expect(typeof isShown(message)).toBe('boolean')
  keyboardMessage([message])
  expect(warned).not.toHaveBeenCalled()
  const shown = root.textContent !== '' || root.querySelector('img, video, audio') !== null
  unmount()
  return shown
}

test('a payload that is no object is a quiet line', () => {
  for (const payload of ODD) {
    expect(check(botMessage(payload, { message_type: 'text' })), String(typeof payload)).toBe(true)
    expect(check(botMessage(payload, { message_type: 'carousel' }))).toBe(true)
  }
})

test('any member of any kind of payload may be anything', () => {
  for (const kind of kinds) {
    const [type, path = ''] = kind.split(' ')
    const [module, component] = path.split('/')
    for (const member of MEMBERS) {
      for (const odd of [null, 7, [[null]], {}]) check(botMessage({ type, module, component, [member]: odd }))
    }
    for (const odd of ODD) {
      const all = Object.fromEntries(MEMBERS.map(member => [member, odd]))
      check(botMessage({ ...all, type, module, component }))
      check(userMessage({ ...all, type }))
    }
  }
}, 60_000)

test('what stands in lists may be anything', () => {
  for (const kind of kinds) {
    const [type, path = ''] = kind.split(' ')
    const [module, component] = path.split('/')
    for (const odd of ODD) {
      const items = [odd, { title: odd, label: odd, buttons: [odd, { type: odd, title: 'x' }], payload: odd }, odd]
      const lists = {
        elements: items,
        items,
        quick_replies: [items, odd],
        choices: items,
        options: items,
        settings: odd
      }
      check(botMessage({ type, module, component, ...lists, text: 'x' }))
      check(userMessage({ type, module, component, ...lists, text: odd }))
    }
  }
})

test('a message that is none is not shown', () => {
  for (const message of ODD) {
    if (typeof message === 'object' && message !== null && !Array.isArray(message)) continue
    const { container } = render(<MessageBody message={message as Message} context={contextOf()} />)
    expect(container.textContent).toBe('')
  }
})

test('types we do not know are a quiet line, with their words where they have some', () => {
  expect(show(botMessage({ type: 'hologram' })).root.textContent).toBe('This message cannot be shown here.')
  expect(show(botMessage({ type: 'hologram', text: 'A *hologram*' })).root.textContent).toBe('A *hologram*')
  for (const type of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
    expect(show(botMessage({ type })).root.querySelector('.bpw-unsupported'), type).not.toBeNull()
  }
})

test('messages wrapped in messages end somewhere', () => {
  let payload: Record<string, unknown> = { type: 'text', text: 'core' }
  const wrap = () => (payload = { type: 'custom', module: 'channel-web', component: 'QuickReplies', wrapped: payload })
  for (let depth = 0; depth < DEEPEST; depth++) wrap()
  expect(show(botMessage(payload)).root.textContent).toContain('core')
  expect(previewOf(botMessage(payload), english)).toBe('core')
  for (let depth = 0; depth < 10_000; depth++) wrap()
  expect(show(botMessage(payload)).root.textContent).not.toContain('core')
})

test('a renderer that throws is its own message only', () => {
  vi.spyOn(console, 'warn').mockImplementation(() => undefined)
  const payload = new Proxy(
    { type: 'card' },
    { get: (_, name) => (name === 'type' ? 'card' : fail()), has: () => true }
  )
  const fail = () => {
    throw new Error('no')
  }
  const { container } = render(
    <div>
      <MessageBody message={botMessage(payload, { message_type: 'card' })} context={contextOf()} />
      <MessageBody message={botMessage({ type: 'text', text: 'next' })} context={contextOf()} />
    </div>
  )
  expect(container.textContent).toContain('next')
  expect(container.textContent).toContain('cannot be shown')
})
