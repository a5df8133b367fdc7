/** What a page may do with `window.botpressWebChat`, and what it may not be made to do. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ToFrame } from '../protocol'
import { install } from './api'
import { reasonOf } from './reason'

const HOST = 'https://bots.example.org'
const SCRIPT = `${HOST}/assets/modules/channel-web/inject.js`

/** The page's API; the stub of a page counts as well. */
const api = () => window.botpressWebChat!
const frame = (selector = '#bp-widget') => document.querySelector<HTMLIFrameElement>(selector)!

/** Says something to the page as if from a window. */
function say(data: unknown, source: Window | null, origin = HOST): void {
  dispatchEvent(new MessageEvent('message', { data, origin, source }))
}

/** Lets the app in a frame say that it listens; returns what it is told from now on. */
function load(chat = frame()): ToFrame[] {
  const messages: ToFrame[] = []
  vi.spyOn(chat.contentWindow!, 'postMessage').mockImplementation(((message: ToFrame, origin: string) => {
    expect(origin).toBe(HOST)
    messages.push(message)
  }) as never)
  say({ name: 'webchatLoaded' }, chat.contentWindow)
  return messages
}

const event = (type: string): ToFrame => ({ action: 'event', payload: { type } })

beforeEach(() => {
  delete window.botpressWebChat
  document.head.replaceChildren()
  document.body.replaceChildren()
  history.replaceState(null, '', '/')
  install(SCRIPT)
})
afterEach(() => vi.restoreAllMocks())

describe('init', () => {
  it('puts the style sheet, the container and the frame into the page', () => {
    api().init({ host: HOST, botId: 'my-bot' })
    const sheet = document.head.querySelector('link')!
    expect([sheet.rel, sheet.href]).toEqual(['stylesheet', `${HOST}/assets/modules/channel-web/inject.css`])
    expect(document.querySelector('body > div#bp-web-widget > iframe#bp-widget.bp-widget-web')).toBe(frame())
    expect(frame().src).toBe(
      `${HOST}/lite/my-bot/?m=channel-web&v=Embedded&options=` +
        encodeURIComponent(JSON.stringify({ config: { host: HOST, botId: 'my-bot' } }))
    )
    expect(frame().title).not.toBe('')
  })

  it('takes the element that the selector finds', () => {
    document.body.innerHTML = '<main id="here"></main>'
    api().init({ host: HOST, botId: 'my-bot' }, '#here')
    expect(document.querySelector('#here > #bp-web-widget > #bp-widget')).toBe(frame())
  })

  it('says which selector found nothing', () => {
    expect(() => api().init({ host: HOST, botId: 'my-bot' }, '#gone')).toThrow('nothing in the page matches "#gone"')
  })

  it('finds the host of the script where the page names none, with its path', () => {
    delete window.botpressWebChat
    install('https://example.org/bots/assets/modules/channel-web/inject.js')
    api().init({ botId: 'my-bot' })
    expect(frame().src).toMatch('https://example.org/bots/lite/my-bot/?m=channel-web&v=Embedded&options=')
  })

  it('passes on the ref of the configuration, or else of the address of the page', () => {
    history.replaceState(null, '', '/?ref=from%20page')
    api().init({ host: HOST, botId: 'my-bot' })
    api().init({ host: HOST, botId: 'my-bot', chatId: 'b', ref: 'a&b' })
    expect(frame().src).toMatch(/&ref=from%20page$/)
    expect(frame('#bp-widget-b').src).toMatch(/&ref=a%26b$/)
  })

  it('keeps what proves the visitor out of what servers log', () => {
    api().init({ host: HOST, botId: 'my-bot', userId: 'ada', userSecret: 's3cret', externalAuthToken: 'jwt' })
    const [sent, kept] = frame().src.split('#')
    expect(sent).not.toMatch(/s3cret|jwt/)
    expect(JSON.parse(decodeURIComponent(kept!))).toEqual({ userSecret: 's3cret', externalAuthToken: 'jwt' })
  })

  it('names the frame in the language of the chat, or after the bot', () => {
    api().init({ host: HOST, botId: 'my-bot', locale: 'fr-CA' })
    api().init({ host: HOST, botId: 'my-bot', chatId: 'b', botName: 'Mia' })
    expect([frame().title, frame('#bp-widget-b').title]).toEqual(['Discussion', 'Mia'])
  })

  it('called again makes no second frame: the new configuration is passed on', () => {
    api().init({ host: HOST, botId: 'my-bot' })
    const first = frame()
    const messages = load()
    api().init({ host: HOST, botId: 'my-bot', botName: 'Mia' })
    expect(document.querySelectorAll('iframe')).toHaveLength(1)
    expect(frame()).toBe(first)
    expect(messages).toEqual([{ action: 'configure', payload: { host: HOST, botId: 'my-bot', botName: 'Mia' } }])
  })

  it('for another bot puts its frame where the old one was', () => {
    api().init({ host: HOST, botId: 'one' })
    api().init({ host: HOST, botId: 'two' })
    expect(document.querySelectorAll('iframe')).toHaveLength(1)
    expect(frame().src).toMatch('/lite/two/')
    expect(document.querySelectorAll('link')).toHaveLength(1)
  })

  it('makes a new frame where the page has thrown the old one away', () => {
    api().init({ host: HOST, botId: 'my-bot' })
    document.body.replaceChildren()
    api().init({ host: HOST, botId: 'my-bot' })
    expect(document.querySelectorAll('iframe')).toHaveLength(1)
  })

  it('waits for the body when it is called in the head', () => {
    const body = document.body
    vi.spyOn(document, 'readyState', 'get').mockReturnValue('loading')
    body.remove()
    api().init({ host: HOST, botId: 'my-bot' })
    expect(frame()).toBeNull()
    document.documentElement.append(body)
    dispatchEvent(new Event('DOMContentLoaded'))
    expect(frame()).not.toBeNull()
  })
})

describe('calls', () => {
  it('before the app listens are made in order when it does', () => {
    api().sendEvent({ type: 'before-init' })
    api().init({ host: HOST, botId: 'my-bot' })
    api().sendEvent({ type: 'after-init' })
    api().configure({ botName: 'Mia' })
    const messages = load()
    api().mergeConfig({ locale: 'fr' })
    api().sendPayload({ type: 'text', text: 'hi' })
    expect(messages).toEqual([
      event('before-init'),
      event('after-init'),
      { action: 'configure', payload: { botName: 'Mia' } },
      { action: 'mergeConfig', payload: { locale: 'fr' } },
      { action: 'sendPayload', payload: { type: 'text', text: 'hi' } }
    ])
  })

  it('of a stub that the page defined are made when the script has come', () => {
    window.botpressWebChat = {
      calls: [
        ['sendEvent', [{ type: 'early' }]],
        ['init', [{ host: HOST, botId: 'my-bot' }]]
      ],
      init() {}
    } as never
    install(SCRIPT)
    expect(load()).toEqual([event('early')])
  })

  it('wait again when the frame was moved in the page: its app starts anew', () => {
    api().init({ host: HOST, botId: 'my-bot' })
    load()
    const away = document.body.appendChild(document.createElement('aside'))
    away.append(document.querySelector('#bp-web-widget')!)
    api().sendEvent({ type: 'moved' })
    expect(load()).toEqual([event('moved')])
  })

  it('of a page that has the script twice go to one chat', () => {
    const first = api()
    first.init({ host: HOST, botId: 'my-bot' })
    install(SCRIPT)
    expect(api()).toBe(first)
  })
})

describe('several chats', () => {
  it('have containers and frames of their own, and are told apart by name', () => {
    document.body.innerHTML = '<section id="sales"></section>'
    api().sendEvent({ type: 'to-sales' }, 'sales')
    api().init({ host: HOST, botId: 'my-bot' })
    api().init({ host: HOST, botId: 'other', chatId: 'sales' })
    const [unnamed, sales] = [load(), load(frame('#sales > #bp-widget-sales'))]
    api().sendEvent({ type: 'to-unnamed' })
    expect([unnamed, sales]).toEqual([[event('to-unnamed')], [event('to-sales')]])
  })

  it('without a name the only one is meant', () => {
    api().init({ host: HOST, botId: 'my-bot', chatId: 'sales' })
    const messages = load(frame('#bp-widget-sales'))
    api().sendEvent({ type: 'hello' })
    expect(messages).toEqual([event('hello')])
  })
})

describe('what the frame says', () => {
  it('sets its class and its width', () => {
    api().init({ host: HOST, botId: 'my-bot' })
    say({ type: 'setClass', value: 'bp-widget-web bp-widget-side' }, frame().contentWindow)
    say({ type: 'setWidth', value: 420 }, frame().contentWindow)
    expect(frame().className).toBe('bp-widget-web bp-widget-side')
    expect(frame().style.getPropertyValue('--bp-widget-width')).toBe('420px')
    say({ type: 'setWidth', value: '50%' }, frame().contentWindow)
    expect(frame().style.getPropertyValue('--bp-widget-width')).toBe('50%')
  })

  it('counts only from its own window and origin', () => {
    api().init({ host: HOST, botId: 'my-bot' })
    const other = document.body.appendChild(document.createElement('iframe'))
    say({ type: 'setClass', value: 'evil' }, window)
    say({ type: 'setClass', value: 'evil' }, other.contentWindow)
    say({ type: 'setClass', value: 'evil' }, null)
    say({ type: 'setClass', value: 'evil' }, frame().contentWindow, 'https://evil.example')
    say({ type: 'setClass', value: 'evil' }, frame().contentWindow, 'null')
    for (const junk of [null, undefined, 'text', 7, []]) say(junk, frame().contentWindow)
    expect(frame().className).toBe('bp-widget-web')
  })

  it('about being loaded is believed from no other window: nothing is posted to strangers', () => {
    api().init({ host: HOST, botId: 'my-bot' })
    api().sendEvent({ type: 'private' })
    const post = vi.spyOn(frame().contentWindow!, 'postMessage')
    say({ name: 'webchatLoaded' }, window)
    say({ name: 'webchatLoaded' }, frame().contentWindow, 'https://evil.example')
    expect(post).not.toHaveBeenCalled()
  })
})

describe('what goes wrong', () => {
  it('is said where no bot is named', () => {
    expect(() => api().init({ host: HOST } as never)).toThrow('`botId` is missing')
    expect(document.querySelector('iframe')).toBeNull()
  })

  it('is said once where no chat answers, and nothing is said where one does', async () => {
    vi.useFakeTimers()
    const said = vi.spyOn(console, 'error').mockImplementation(() => {})
    const asked = vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('Failed to fetch'))
    api().init({ host: HOST, botId: 'gone' })
    frame().dispatchEvent(new Event('load'))
    await vi.runAllTimersAsync()
    expect(asked.mock.calls).toEqual(
      ['cors', 'no-cors'].map(mode => [`${HOST}/lite/gone/`, { mode, credentials: 'omit' }])
    )
    expect(said.mock.calls).toEqual([
      [expect.stringMatching(/no chat in this page: https:\S+\/lite\/gone\/ could not/)]
    ])
    api().init({ host: HOST, botId: 'my-bot', chatId: 'other' })
    load(frame('#bp-widget-other'))
    frame('#bp-widget-other').dispatchEvent(new Event('load'))
    await vi.runAllTimersAsync()
    expect(said).toHaveBeenCalledTimes(1)
    vi.useRealTimers()
  })

  it.each([
    [200, '<!doctype html>', /the bot "my-bot" is there.*frame-src https:\/\/bots\.example\.org.*frameAncestors/],
    [404, '{"errorCode":"BP_0044"}', /no bot "my-bot" on https:\/\/bots\.example\.org: .*folder/],
    [401, '{"errorCode":"BP_0041"}', /"my-bot" is private/],
    [404, 'a page of a shop', /what answers at \S+\/lite\/my-bot\/ is no server of bots/]
  ])('has a sentence of its own that says what to do: %i %s', async (status, body, sentence) => {
    vi.spyOn(globalThis, 'fetch').mockResolvedValue(new Response(body, { status }))
    expect(await reasonOf({ base: HOST, origin: HOST }, 'my-bot')).toMatch(sentence)
  })
})
