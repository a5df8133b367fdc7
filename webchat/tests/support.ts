/**
 * What browser tests stand on: real servers in temporary workspaces, pages on another origin, a network that can be cut.
 *
 * `test` is Playwright's with fixtures of ours; all that a test starts is stopped at its end. A test fails if a page printed
 * an error or a warning to the console: one that expects some says so by `forgive`.
 */

import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { test as base, expect, type FrameLocator, type Page } from '@playwright/test'

export { expect } from '@playwright/test'
export type { FrameLocator, Page } from '@playwright/test'

const WEBCHAT = join(import.meta.dirname, '..')
const REPOSITORY = join(WEBCHAT, '..')

/** Files of a workspace or pages of a site: path and text. */
export type Files = Record<string, string>

/** A running server of bots. */
export interface Nudge {
  /** Where it is, such as `http://localhost:40123`. */
  url: string
  port: number
  /** Its workspace. */
  folder: string
  /** Writes a file of the workspace while the server runs. */
  write(path: string, text: string): void
  /** What it has logged so far. */
  log(): string
  /** Calls it; the body goes as JSON, and comes back as JSON or text. Throws unless the status is 2xx. */
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<unknown>
  stop(): Promise<void>
}

/** A site of pages on an origin of its own. */
export interface Site {
  url: string
  /** Adds or replaces a page. `headers` are those of its answer. */
  page(path: string, html: string, headers?: Record<string, string>): void
  stop(): Promise<void>
}

/** A way to a server that can be cut. */
export interface Wire {
  /** Where the server is reached through it. */
  url: string
  /** Kills all connections, and lets none come up until `restore`. */
  cut(): void
  restore(): void
  stop(): Promise<void>
}

/** Stands for the bot that is there where a workspace says nothing else: it says hello to everything. */
export const GREETER: Files = {
  'bots/greeter/bot.config.json': '{ "name": "Mia" }',
  'bots/greeter/flows/main.flow.json': JSON.stringify({
    startNode: 'entry',
    nodes: [
      {
        name: 'entry',
        onEnter: ['say #builtin_text {"text": "Hello! I speak first."}'],
        onReceive: [],
        next: [{ condition: 'true', node: 'answer' }]
      },
      { name: 'answer', onEnter: ['say #builtin_text {"text": "So you say."}'], next: [] }
    ]
  })
}

/** A documented hook snippet, of `tests/snippets` of the repository, as a file of a workspace. */
export function snippet(number: 1 | 2 | 3): Files {
  const text = readFileSync(join(REPOSITORY, 'tests/snippets', `${number}.js`), 'utf8')
  return { [`hooks/before_incoming_middleware/snippet-${number}.js`]: text }
}

/** Starts `nudge run-server` on a free port, in a workspace of these files. */
export async function startServer(files: Files = GREETER, ...more: string[]): Promise<Nudge> {
  const folder = mkdtempSync(join(tmpdir(), 'nudge-browser-'))
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  for (const [path, text] of Object.entries(files)) write(path, text)
  const program = process.env.NUDGE || join(REPOSITORY, 'target/debug/nudge')
  const child = spawn(program, ['run-server', '--dir', folder, '--port', '0', ...more], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  let log = ''
  child.stderr.on('data', chunk => (log += chunk))
  child.on('error', error => (log += `${program}: ${error.message}`))
  const closed = new Promise(done => child.on('close', done))
  const url = await greeting(child, text => (log += text))
  if (!url) {
    await closed
    rmSync(folder, { recursive: true, force: true })
    throw new Error(`nudge run-server did not start:\n${log}`)
  }
  return {
    url,
    port: Number(new URL(url).port),
    folder,
    write,
    log: () => log,
    async call(method, path, body, headers = {}) {
      const response = await fetch(url + path, {
        method,
        headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
        body: body === undefined ? undefined : JSON.stringify(body)
      })
      const text = await response.text()
      if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
      return response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : text
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null) {
        // Nothing of a test's workspace is looked at afterwards: there is nothing to finish.
        child.kill('SIGKILL')
        await closed
      }
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** Reads what the server prints until it says where it listens; null if it ends before that. */
async function greeting(child: ChildProcess, print: (text: string) => void): Promise<string | null> {
  let found: string | null = null
  for await (const line of createInterface({ input: child.stdout! })) {
    print(`${line}\n`)
    found = line.match(/listening\s+(http:\S+)/)?.[1] ?? null
    if (found) break
  }
  // What else is printed is thrown away, so that the pipe does not fill.
  child.stdout!.resume()
  return found
}

/**
 * Serves pages on another port than the server's, which is another origin. By the name `127.0.0.1` it is another site as
 * well, to whose frames the browser of these tests refuses storage.
 */
export async function startSite(pages: Files = {}, name: 'localhost' | '127.0.0.1' = 'localhost'): Promise<Site> {
  const held = new Map<string, [string, Record<string, string>]>()
  const server = createServer((request, response) => {
    const found = held.get(new URL(request.url!, 'http://site').pathname)
    response.writeHead(found ? 200 : 404, { 'content-type': 'text/html; charset=utf-8', ...found?.[1] })
    response.end(found?.[0] ?? '')
  })
  const url = await listen(server, name)
  const site: Site = {
    url,
    page: (path, html, headers = {}) => void held.set(path, [html, headers]),
    async stop() {
      server.closeAllConnections()
      await new Promise(done => server.close(done))
    }
  }
  site.page('/favicon.ico', '')
  for (const [path, html] of Object.entries(pages)) site.page(path, html)
  return site
}

/** Passes connections on to a server of bots, until it is cut. */
export async function startWire(to: Nudge): Promise<Wire> {
  const open = new Set<Socket>()
  let whole = true
  const server = createTcpServer(near => {
    if (!whole) return void near.destroy()
    const far = connect(to.port, new URL(to.url).hostname)
    for (const [socket, other] of [
      [near, far],
      [far, near]
    ] as const) {
      open.add(socket)
      socket.pipe(other)
      // Broken connections are what this is for.
      socket.on('error', () => {})
      socket.on('close', () => {
        open.delete(socket)
        other.destroy()
      })
    }
  })
  const url = await listen(server, 'localhost')
  const cut = () => {
    whole = false
    for (const socket of open) socket.destroy()
  }
  return {
    url,
    cut,
    restore: () => void (whole = true),
    async stop() {
      cut()
      await new Promise(done => server.close(done))
    }
  }
}

async function listen(
  server: { listen(port: number, host: string): unknown; address(): unknown },
  name: string
): Promise<string> {
  const listening = once(server as never, 'listening')
  server.listen(0, '127.0.0.1')
  await listening
  return `http://${name}:${(server.address() as AddressInfo).port}`
}

/** A page with the chat, as the documentation has it; `script` comes after `init`. */
export function embedding(host: string, script = '', config: Record<string, unknown> = {}): string {
  const init = JSON.stringify({ host, botId: 'greeter', ...config })
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>A page</title></head>
<body>
<main><h1>A page</h1></main>
<script src="${host}/assets/modules/channel-web/inject.js"></script>
<script>
  window.botpressWebChat.init(${init})
  ${script}
</script>
</body>
</html>`
}

/** Waits until everything that the server has accepted is over. */
export async function settled(nudge: Nudge): Promise<void> {
  await expect
    .poll(async () => {
      const { queue } = (await nudge.call('GET', '/status')) as { queue: Record<string, number> }
      return queue.accepted! + queue.followUpsCommitted! - queue.processed!
    })
    .toBe(0)
}

/** Waits until a page listens: who types is told to those alone who do. */
export async function listens(nudge: Nudge): Promise<void> {
  await expect
    .poll(async () => {
      const { realtime } = (await nudge.call('GET', '/status')) as { realtime: { visitors: number } }
      return realtime.visitors
    })
    .toBeGreaterThan(0)
}

/** The inside of the chat in a page. */
export const chat = (page: Page, selector?: string): FrameLocator => page.frameLocator(selector ?? '#bp-widget')

/** The chat button. */
export const button = (page: Page, selector?: string) => chat(page, selector).locator('.bpw-floating-button')

/** What the bot has said in the chat of a page. */
export const replies = (page: Page, selector?: string) =>
  chat(page, selector).locator('.bpw-from-bot .bpw-chat-bubble-content')

/** Tells the frame that the network is back, as browsers do: nobody waits for the next attempt then. */
export const online = (page: Page): Promise<void> =>
  page
    .frames()
    .find(frame => frame.url().includes('/lite/'))!
    .evaluate(() => void dispatchEvent(new Event('online')))

/** What browsers print about a server that is away. */
export const AWAY = /net::ERR_|WebSocket connection to/

/** Complaints that a test expects, whenever they come. */
const forgiven = new WeakMap<string[], RegExp>()

/** Lets the test pass with complaints like that; all others still fail it. */
export const forgive = (complaints: string[], expected: RegExp): void => void forgiven.set(complaints, expected)

/**
 * Notes, in all frames that the page opens from now on, when an element with this class appears for however short a time;
 * the answer says whether one has. What is there for a second only may be missed by looking again and again.
 */
export async function noted(page: Page, name: string): Promise<() => boolean> {
  let seen = false
  await page.exposeFunction('noteOfTheTest', () => void (seen = true))
  await page.addInitScript(name => {
    const { noteOfTheTest } = window as unknown as { noteOfTheTest(): void }
    new MutationObserver(() => {
      if (document.getElementsByClassName(name).length) noteOfTheTest()
    }).observe(document, { childList: true, subtree: true })
  }, name)
  return () => seen
}

/** Keeps a picture in `screenshots/`, once what moves has come to rest. */
export async function shot(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(WEBCHAT, 'screenshots', `${name}.png`), animations: 'disabled' })
}

export interface Fixtures {
  /** Starts a server that ends with the test. */
  serve: typeof startServer
  /** Starts a site that ends with the test. */
  site: typeof startSite
  /** Starts a wire that ends with the test. */
  wire: typeof startWire
  /** Errors and warnings that pages have printed; at the end there must be none. */
  complaints: string[]
}

/** Complaints of tests that are over: what breaks because a server is stopped is nobody's fault. */
const over = new WeakSet<string[]>()

/** A fixture that starts things, and stops them in reverse order at the end of the test. */
async function stopping<T extends { stop(): Promise<void> }, A extends unknown[]>(
  start: (...values: A) => Promise<T>,
  complaints: string[],
  use: (start: (...values: A) => Promise<T>) => Promise<void>
): Promise<void> {
  const started: T[] = []
  await use(async (...values) => {
    const one = await start(...values)
    started.unshift(one)
    return one
  })
  over.add(complaints)
  for (const one of started) await one.stop()
}

export const test = base.extend<Fixtures>({
  serve: async ({ complaints }, use) => stopping(startServer, complaints, use),
  site: async ({ complaints }, use) => stopping(startSite, complaints, use),
  wire: async ({ complaints }, use) => stopping(startWire, complaints, use),
  complaints: [
    async ({ context }, use) => {
      const complaints: string[] = []
      context.on('console', message => {
        if (over.has(complaints)) return
        if (['error', 'warning'].includes(message.type())) complaints.push(`${message.type()}: ${message.text()}`)
      })
      context.on('weberror', error => {
        if (!over.has(complaints)) complaints.push(`uncaught: ${error.error().stack}`)
      })
      await use(complaints)
      const others = complaints.filter(text => !forgiven.get(complaints)?.test(text))
      expect(others, 'nothing is printed to the console').toEqual([])
    },
    { auto: true }
  ]
})
