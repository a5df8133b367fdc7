/** What goes to the server. */
// @vitest-environment jsdom

import { beforeEach, expect, test, vi } from 'vitest'
import { CallFailed, openApi, routesOf } from './api'

let calls: Request[]
let status = 200

beforeEach(() => {
  calls = []
  status = 200
  vi.stubGlobal('fetch', async (address: string, init: RequestInit) => {
    // Signals of another realm than that of the tests are no signals here.
    calls.push(new Request(address, { ...init, signal: undefined }))
    return new Response('{"conversations":[],"convoId":7}', { status })
  })
})

const routes = routesOf('http://bots.example/chat', 'my bot')

test('every call proves who calls, by what the page has given last', async () => {
  let token: string | undefined
  const api = openApi(routes, { id: 'ada', secret: 'hers' }, () => token)
  await api.conversations()
  token = 'renewed'
  await api.event({ type: 'x' })
  await api.file(new File(['x'], 'a.txt'), 7)
  expect(calls.map(call => call.headers.get('x-visitor-secret'))).toEqual(['hers', 'hers', 'hers'])
  expect(calls.map(call => call.headers.get('x-bp-externalauth'))).toEqual([null, 'Bearer renewed', 'Bearer renewed'])
  expect(calls.map(call => call.credentials)).toEqual(['omit', 'omit', 'omit'])
})

test('ids and references of any kind find their way into addresses', async () => {
  const api = openApi(routes, { id: 'a/b?c' }, () => undefined)
  await api.message({ type: 'text', text: 'x' }, null)
  await api.message({ type: 'text', text: 'x' }, '7')
  await api.conversation(7, 'x&y')
  await api.reference(null, 'hello=ab/cd')
  const base = 'http://bots.example/chat/api/v1/bots/my%20bot/mod/channel-web'
  expect(calls.map(call => call.url)).toEqual([
    `${base}/messages/a%2Fb%3Fc`,
    `${base}/messages/a%2Fb%3Fc?conversationId=7`,
    `${base}/conversations/a%2Fb%3Fc/7?after=x%26y`,
    `${base}/conversations/a%2Fb%3Fc/null/reference/hello%3Dab%2Fcd`
  ])
})

test('a refusal is final unless it is one of the moment', async () => {
  const api = openApi(routes, { id: 'ada' }, () => undefined)
  const finals: [number, boolean][] = []
  for (status of [400, 401, 404, 408, 413, 429, 500, 503]) {
    const error: unknown = await api.event({ type: 'x' }).catch((error: unknown) => error)
    if (error instanceof CallFailed) finals.push([error.status, error.final])
  }
  expect(finals.filter(([, final]) => final).map(([status]) => status)).toEqual([400, 401, 404, 413])
  expect(finals).toHaveLength(8)
})
