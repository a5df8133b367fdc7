/** What a connection makes of servers that are none of ours. The server stands behind `fetch`. */
// @vitest-environment jsdom

import { afterEach, expect, test, vi } from 'vitest'
import { byPolling, byWebSocket, type Ends } from './pipe'

const OPEN = '0{"sid":"a&b","pingInterval":25000,"pingTimeout":5000}'

afterEach(() => vi.unstubAllGlobals())

/** Answers one request after the other with these; none is there for those that come after. */
function answers(...texts: string[]): string[] {
  const asked: string[] = []
  const fetch = async (address: string, { signal }: RequestInit): Promise<Response> => {
    signal?.throwIfAborted()
    asked.push(address)
    const text = texts.shift()
    if (text !== undefined) return new Response(text)
    return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(new Error('aborted'))))
  }
  vi.stubGlobal('fetch', fetch)
  return asked
}

function ends(): Ends & { said: string[]; over: Promise<void> } {
  const said: string[] = []
  let closed = (): void => {}
  const over = new Promise<void>(resolve => (closed = resolve))
  return {
    said,
    over,
    opened: () => void said.push('opened'),
    packet: text => void said.push(text),
    closed() {
      said.push('closed')
      closed()
    }
  }
}

test.each(['<!doctype html><title>Sign in</title>', '', '1', '9x'])(
  'an answer that no server of ours gives (%s) ends the connection instead of being asked for again and again',
  async text => {
    const asked = answers(text, text, text)
    const end = ends()
    byPolling('https://x.org/socket.io', end)
    await end.over
    expect([end.said, asked.length]).toEqual([['closed'], 1])
  }
)

test('a session that the server has ended while a request waited is over', async () => {
  const asked = answers(OPEN, '6', '40/guest,\x1e42/guest,["event",{}]', '')
  const end = ends()
  byPolling('https://x.org/socket.io', end)
  await end.over
  expect(end.said).toEqual(['opened', '0/guest,', '2/guest,["event",{}]', 'closed'])
  expect(asked.slice(1).every(address => address.endsWith('&sid=a%26b'))).toBe(true)
})

test('after it was closed nothing is asked and nothing is said any more', async () => {
  const asked = answers(OPEN)
  const end = ends()
  const pipe = byPolling('https://x.org/socket.io', end)
  await vi.waitFor(() => expect(asked).toHaveLength(2))
  pipe.close()
  pipe.send('0/guest,')
  await new Promise(resolve => setTimeout(resolve))
  expect([end.said, asked.length]).toEqual([['opened'], 2])
})

test('a WebSocket that is not wanted any more before it is there is closed once it is: browsers complain otherwise', () => {
  vi.useFakeTimers()
  const closes: string[] = []
  class Opening {
    readyState = 0
    onopen = (): void => {}
    close = (): void => void closes.push(`in state ${this.readyState}`)
  }
  const sockets: Opening[] = []
  vi.stubGlobal('WebSocket', function () {
    return sockets[sockets.push(new Opening()) - 1]
  })
  Object.assign(WebSocket, { CONNECTING: 0 })
  const end = ends()
  byWebSocket('https://x.org/socket.io', end).close()
  expect(closes).toEqual([])
  sockets[0]!.readyState = 1
  sockets[0]!.onopen()
  expect([closes, end.said]).toEqual([['in state 1'], []])
  // One that does not come up in time holds back the next one: it is closed as it is.
  byWebSocket('https://x.org/socket.io', end)
  vi.runAllTimers()
  expect([closes, end.said]).toEqual([['in state 1', 'in state 0'], ['closed']])
  vi.useRealTimers()
})
