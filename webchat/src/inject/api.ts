/**
 * `window.botpressWebChat`: what pages call.
 *
 * Nothing is ever dropped: a call waits until its chat is there, and until the app in its frame listens. A page that loads
 * this script with `async` may define `window.botpressWebChat` itself, with a list `calls` of `[name, arguments]`; they
 * are made here, in order.
 */

import type { ToFrame } from '../protocol'
import type { Config, Payload } from '../types'
import { hostOf, styleAddress } from './address'
import { createChat, type Chat } from './chat'

/** What pages see. */
export interface BotpressWebChat {
  /** Puts a chat into the page: into the first element that the selector finds, the body if none is given. */
  init(config: Config, targetSelector?: string): void
  /** `show`, `hide`, `toggle`, `message`, …; any other type is an event to the bot. */
  sendEvent(payload: Payload, chatId?: string): void
  /** Replaces the configuration. */
  configure(config: Config, chatId?: string): void
  /** Changes what is given of the configuration. */
  mergeConfig(config: Config, chatId?: string): void
  /** Sends a payload as the visitor's message, as it is. */
  sendPayload(payload: Payload, chatId?: string): void
}

/** What a page may have put there before this script ran. */
interface Stub {
  calls?: [keyof BotpressWebChat, unknown[]][]
}

declare global {
  interface Window {
    botpressWebChat?: BotpressWebChat
  }
}

/** The name of a chat that was given none. */
const UNNAMED = ''

/** Makes `window.botpressWebChat`, once. `script` is the address of this script. */
export function install(script: string): void {
  const before = window.botpressWebChat as (Partial<BotpressWebChat> & Stub) | undefined
  // A page that holds the script twice keeps the chats of the first.
  if (before?.init && !before.calls) return

  const chats = new Map<string, Chat>()
  // Calls for chats that no `init` has made yet.
  let early: [string | undefined, ToFrame][] = []

  /** Several chats stand side by side, the first at the edge. */
  function arrange(): void {
    if (chats.size < 2) return
    let taken = 0
    for (const chat of chats.values()) taken = chat.place(taken)
  }
  addEventListener('resize', arrange)

  /** The chat of that name; without a name the one that has none, or else the first. */
  const chatOf = (id?: string) => chats.get(id || UNNAMED) || (id ? undefined : chats.values().next().value)

  function post(message: ToFrame, id?: string): void {
    const chat = chatOf(id)
    if (chat) chat.post(message)
    else early.push([id, message])
  }

  const api: BotpressWebChat = {
    init(config, targetSelector) {
      if (!config?.botId)
        throw new Error('botpressWebChat.init: `botId` is missing, as in init({ botId: "welcome-bot" })')
      const host = hostOf(config, script)
      const id = config.chatId || UNNAMED
      const old = chats.get(id)
      // A page that is drawn again by a framework calls `init` again: the chat that is there goes on.
      if (old?.lives() && old.is(host, config)) return old.post({ action: 'configure', payload: config })
      old?.remove()
      const chat = createChat(host, config, arrange)
      chats.set(id, chat)
      const calls = early
      early = []
      calls.forEach(([id, message]) => post(message, id))
      whenThere(targetSelector || 'body', target => {
        addStyle(styleAddress(host), arrange)
        chat.show(target)
      })
    },
    sendEvent: (payload, chatId) => post({ action: 'event', payload }, chatId),
    configure: (payload, chatId) => post({ action: 'configure', payload }, chatId),
    mergeConfig: (payload, chatId) => post({ action: 'mergeConfig', payload }, chatId),
    sendPayload: (payload, chatId) => post({ action: 'sendPayload', payload }, chatId)
  }
  window.botpressWebChat = api
  for (const [name, values] of before?.calls || []) (api[name] as (...values: unknown[]) => void)(...values)
}

/** Calls back with that element: at once, or when the page is read, for a script in `<head>`. */
function whenThere(selector: string, then: (target: Element) => void): void {
  const target = document.querySelector(selector)
  if (target) return then(target)
  if (document.readyState === 'loading') {
    return addEventListener('DOMContentLoaded', () => whenThere(selector, then), { once: true })
  }
  throw new Error(`botpressWebChat.init: nothing in the page matches "${selector}"`)
}

/** Adds the style sheet, once for each host, and says when it is there. */
function addStyle(address: string, loaded: () => void): void {
  for (const sheet of document.querySelectorAll('link')) if (sheet.href === address) return
  const link = document.createElement('link')
  link.rel = 'stylesheet'
  link.href = address
  link.onload = loaded
  document.head.append(link)
}
