/** What page and frame say to each other. */

import { expect, test } from 'vitest'
import type { ToFrame } from '../protocol'
import { openPage, originOf, readCall } from './page'

/** A frame's window in a page, as far as it is used; `posted` is what the page gets. */
function framed(referrer: string) {
  const posted: unknown[][] = []
  const events = new EventTarget()
  const parent = { postMessage: (...values: unknown[]) => posted.push(values) }
  const view = {
    parent,
    document: { referrer },
    addEventListener: events.addEventListener.bind(events)
  } as unknown as Window
  const say = (source: unknown, data: unknown) => {
    events.dispatchEvent(Object.assign(new Event('message'), { source, data }))
  }
  return { view, parent, posted, say }
}

test('only the page that holds the frame is heard', () => {
  const { view, parent, say } = framed('https://shop.example/cart')
  const calls: ToFrame[] = []
  openPage(
    view,
    () => undefined,
    call => calls.push(call)
  )
  const show = { action: 'event', payload: { type: 'show' } }
  say({}, show)
  say(null, show)
  expect(calls).toEqual([])
  say(parent, show)
  expect(calls).toEqual([show])
})

test('the page alone gets what is posted, where the browser tells which page it is', () => {
  const { view, posted } = framed('https://shop.example/cart?x=1')
  openPage(
    view,
    () => 'help',
    () => {}
  ).post({ name: 'webchatLoaded' })
  expect(posted).toEqual([[{ name: 'webchatLoaded', chatId: 'help' }, 'https://shop.example']])
})

test('a page that hides where it is gets it too', () => {
  expect(originOf('')).toBe('*')
  expect(originOf('file:///home/me/page.html')).toBe('*')
})

test('a chat on its own talks to nobody', () => {
  const view = { addEventListener: () => expect.unreachable() } as unknown as Window
  Object.assign(view, { parent: view })
  openPage(
    view,
    () => undefined,
    () => {}
  ).post({ name: 'webchatLoaded' })
})

test('what is no call of the protocol is not taken', () => {
  const odd = [
    null,
    'show',
    7,
    [],
    {},
    { action: 'event' },
    { action: 'event', payload: 'x' },
    { action: 'eval', payload: {} }
  ]
  for (const data of odd) expect(readCall(data)).toBeUndefined()
})
