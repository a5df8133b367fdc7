/**
 * The stock client that pages of the original use, `socket.io-client` 2, as it comes from npm, and the present one: each over
 * each transport hears messages, typing and data, of its own visitor and of nobody else.
 */

import { createRequire } from 'node:module'
import { expect, startServer, test, type Files, type Nudge } from './support'

const require = createRequire(import.meta.url)

interface Heard {
  name: string
  data: Record<string, any>
}

interface Client {
  heard: Heard[]
  /** What the namespace was refused with. */
  errors: any[]
  transport(): string
  emit(name: string, data: unknown): void
  close(): void
}

const WORKSPACE: Files = {
  'bots/bot/bot.config.json': '{ "name": "Bot" }',
  'hooks/before_incoming_middleware/h.js': `
    event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
    if (event.type === 'all') bp.events.replyToEvent(event, [
      { type: 'data', n: 1 }, { type: 'typing', value: 500 }, { type: 'text', text: 'hi ' + event.target }
    ])
    if (event.type === 'tell') bp.realtime.sendPayload(bp.RealTimePayload.forVisitor(event.target, 'webchat.custom', { n: 2 }))
    if (event.type === 'numbers') for (let n = 0; n < 100; n++) {
      bp.events.replyToEvent(event, [{ type: 'text', text: String(n) + ' 日本 🦊' }])
    }`
}

/** How the two versions are told of a visitor: as the documentation of each has it. */
const VERSIONS = { 'socket.io-client-2': 'in the query', 'socket.io-client': 'in the query or as auth' }
const TRANSPORTS: Record<string, string[] | undefined> = {
  websocket: ['websocket'],
  polling: ['polling'],
  'the default, polling and then websocket': undefined
}

const clients: Client[] = []

function connect(version: string, url: string, options: object): Client {
  const io = require(version)
  const socket = (io.io ?? io)(`${url}/guest`, { forceNew: true, ...options })
  const client: Client = {
    heard: [],
    errors: [],
    transport: () => socket.io.engine.transport.name,
    emit: (name, data) => socket.emit('event', { name, data }),
    close: () => socket.close()
  }
  socket.on('event', (event: Heard) => client.heard.push(event))
  for (const name of ['error', 'connect_error']) socket.on(name, (error: unknown) => client.errors.push(error))
  socket.on('connect', () => client.heard.push({ name: 'connect', data: {} }))
  clients.push(client)
  return client
}

const names = (client: Client) => client.heard.map(event => event.name)
const post = (server: Nudge, visitor: string, type: string) =>
  server.call('POST', `/api/v1/bots/bot/mod/channel-web/events/${visitor}`, { type })

let server: Nudge
test.beforeAll(async () => {
  server = await startServer(WORKSPACE)
})
test.afterEach(() => clients.splice(0).forEach(client => client.close()))
test.afterAll(() => server.stop())

for (const version of Object.keys(VERSIONS)) {
  for (const [how, transports] of Object.entries(TRANSPORTS)) {
    test(`${version} over ${how} hears messages, typing and data of its visitor`, async () => {
      const visitor = `ann-${version}-${how.length}`
      const options = transports ? { transports } : {}
      const client = connect(version, server.url, { query: { visitorId: visitor }, ...options })
      const other = connect(version, server.url, { query: { visitorId: `${visitor}-2` }, ...options })
      await expect.poll(() => names(client)).toEqual(['connect'])
      await expect.poll(() => names(other)).toEqual(['connect'])
      await post(server, visitor, 'all')
      await expect.poll(() => client.heard.length).toBe(4)
      expect(names(client).slice(1)).toEqual(['guest.webchat.data', 'guest.webchat.typing', 'guest.webchat.message'])
      const [, data, typing, message] = client.heard
      expect(data!.data).toEqual({ type: 'data', n: 1, __room: `visitor:${visitor}` })
      expect(typing!.data).toMatchObject({ timeInMs: 500, __room: `visitor:${visitor}` })
      expect(message!.data).toMatchObject({ full_name: 'Bot', message_type: 'text', message_text: `hi ${visitor}` })
      await post(server, visitor, 'tell')
      await expect
        .poll(() => client.heard.at(-1))
        .toEqual({
          name: 'guest.webchat.custom',
          data: { n: 2, __room: `visitor:${visitor}` }
        })
      // Text beyond ASCII counts in other units over polling; and all of it comes in order, also when it is much.
      await post(server, visitor, 'numbers')
      await expect.poll(() => client.heard.length).toBe(105)
      const texts = client.heard.slice(5).map(event => event.data.message_text)
      expect(texts).toEqual(Array.from({ length: 100 }, (_, n) => `${n} 日本 🦊`))
      expect(client.transport()).toBe(how === 'polling' ? 'polling' : 'websocket')
      // What a client emits reaches nobody; nothing of another visitor came to this one.
      client.emit('guest.webchat.message', { __room: `visitor:${visitor}-2`, message_text: 'forged' })
      client.emit('admin', { junk: 'x'.repeat(10_000) })
      await post(server, `${visitor}-2`, 'tell')
      await expect.poll(() => names(other)).toEqual(['connect', 'guest.webchat.custom'])
      expect(client.heard.length).toBe(105)
      expect(client.errors).toEqual([])
    })
  }

  test(`${version} is told why it may not listen as a visitor with a secret, and may with it`, async () => {
    const made = await server.call('POST', '/api/v1/bots/bot/mod/channel-web/visitors')
    const { visitorId, secret } = made as { visitorId: string; secret: string }
    const refused = connect(version, server.url, { query: { visitorId } })
    await expect.poll(() => refused.errors.length).toBe(1)
    const [error] = refused.errors
    expect(error.message).toContain('visitorSecret')
    expect(error.code ?? error.data.code).toBe('visitor_secret_required')
    const query = { visitorId, visitorSecret: secret }
    const options = version === 'socket.io-client' ? [{ query }, { auth: query }] : [{ query }]
    for (const option of options) {
      const client = connect(version, server.url, option)
      await expect.poll(() => names(client)).toEqual(['connect'])
    }
  })
}

test('two namespaces of an older client share a connection, each with its own query', async () => {
  const io = require('socket.io-client-2')
  const admin = io(`${server.url}/admin`, { query: { token: 'no token' } })
  const guest = io(`${server.url}/guest`, { query: { visitorId: 'shared' } })
  const errors: any[] = []
  const heard: Heard[] = []
  admin.on('error', (error: unknown) => errors.push(error))
  guest.on('event', (event: Heard) => heard.push(event))
  let connected = false
  guest.on('connect', () => (connected = true))
  await expect.poll(() => connected && errors.length).toBe(1)
  expect(errors[0].code).toBe('invalid_token')
  expect(guest.io).toBe(admin.io)
  await post(server, 'shared', 'tell')
  await expect.poll(() => heard.map(event => event.name)).toEqual(['guest.webchat.custom'])
  guest.close()
  admin.close()
})
