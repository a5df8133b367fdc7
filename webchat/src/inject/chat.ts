/** One chat on the page: its frame, and what waits until the app in it listens. */

import type { ToFrame } from '../protocol'
import type { Config } from '../types'
import { frameAddress, type Host } from './address'
import { reasonOf } from './reason'

/** What the frame is called for screen readers, where the page did not name the bot. */
const TITLES: Record<string, string> = {
  ar: 'محادثة',
  de: 'Chat',
  en: 'Chat',
  es: 'Chat',
  fr: 'Discussion',
  he: 'צ׳אט',
  it: 'Chat',
  ja: 'チャット',
  pt: 'Bate-papo',
  ru: 'Чат',
  zh: '聊天'
}

/** What the frame may do that frames of other origins may not: the sound of a message, and films that fill the screen. */
const ALLOWED = 'autoplay; fullscreen'

/** How long after its page the app may still say that it listens, in milliseconds. */
const PATIENCE = 2000

/** A chat that was asked for by `init`. */
export interface Chat {
  /** Says something to the app, as soon as it listens. */
  post(message: ToFrame): void
  /** Puts the frame into the page. */
  show(into: Element): void
  /** Takes it out of the page again. */
  remove(): void
  /**
   * Puts it beside what takes that many pixels of its edge of the page, and says how many are taken then. A chat to which the
   * page gives another place is left there.
   */
  place(taken: number): number
  /** Whether the frame is in the page, or about to be. */
  lives(): boolean
  /** Whether it is the chat of that bot on that host. */
  is(host: Host, config: Config): boolean
}

/** How far from its edge of the page a chat stands, where others are between. */
const SHIFT = '--bp-widget-shift'

/** A chat whose frame is not in the page yet. `changed` is called when it looks otherwise than before. */
export function createChat(host: Host, config: Config, changed: () => void): Chat {
  const { chatId } = config
  const frame = document.createElement('iframe')
  // The window whose app listens. Moving a frame in the page gives it a new window, whose app does not listen yet.
  let listening: Window | null = null
  let waiting: ToFrame[] = []
  let shown = false
  let removed = false

  frame.id = chatId ? `bp-widget-${chatId}` : 'bp-widget'
  frame.className = 'bp-widget-web'
  frame.title = config.botName || TITLES[(config.locale || navigator.language).slice(0, 2)] || 'Chat'
  frame.allow = ALLOWED
  // Takes no room until the app says how it looks; sizes of the style sheet win over these.
  frame.width = frame.height = '0'
  frame.setAttribute('frameborder', '0')

  // Only the app in our own frame is heard. A page may hold other frames that would like to talk for it.
  function hear({ source, origin, data }: MessageEvent): void {
    if (!source || source !== frame.contentWindow || origin !== host.origin || !data) return
    if (data.name === 'webchatLoaded') {
      listening = frame.contentWindow
      const messages = waiting
      waiting = []
      messages.forEach(post)
    } else if (data.type === 'setClass') {
      frame.className = String(data.value)
      changed()
    } else if (data.type === 'setWidth') {
      const width = typeof data.value === 'number' ? `${data.value}px` : String(data.value)
      // A variable, so that the style sheet decides where it counts: neither on small screens nor while closed.
      frame.style.setProperty('--bp-widget-width', width)
      changed()
    }
  }
  addEventListener('message', hear)

  // The app says that it listens before its page is loaded. Where it does not there is no app: a bot that there is not, a
  // private one, another server. The page's author would see nothing at all otherwise.
  frame.addEventListener('load', () => {
    const silent = () => !removed && frame.isConnected && listening !== frame.contentWindow
    setTimeout(async () => {
      if (!silent()) return
      const reason = await reasonOf(host, config.botId || '')
      if (silent()) console.error(`nudge: no chat in this page: ${reason}`)
    }, PATIENCE)
  })

  function post(message: ToFrame): void {
    if (listening && listening === frame.contentWindow) listening.postMessage(message, host.origin)
    else waiting.push(message)
  }

  return {
    post,
    show(into) {
      if (removed) return
      const id = chatId || 'bp-web-widget'
      let container = document.getElementById(id)
      if (!container) {
        container = document.createElement('div')
        container.id = id
        into.append(container)
      }
      frame.src = frameAddress(host, config, getComputedStyle(into).direction === 'rtl')
      container.append(frame)
      shown = true
    },
    remove() {
      removed = true
      removeEventListener('message', hear)
      frame.remove()
    },
    place(taken) {
      const { style } = frame
      style.removeProperty(SHIFT)
      const { position, insetBlockEnd, insetInlineEnd, marginInlineEnd, visibility } = getComputedStyle(frame)
      const ours = position === 'fixed' && !frame.offsetParent && insetBlockEnd === '0px' && insetInlineEnd === '0px'
      if (!ours || visibility === 'hidden') return taken
      const width = frame.offsetWidth + parseFloat(marginInlineEnd)
      const shift = Math.max(0, Math.min(taken, document.documentElement.clientWidth - width))
      if (shift > 0) style.setProperty(SHIFT, `${shift}px`)
      return taken + width
    },
    lives: () => !shown || frame.isConnected,
    is: (otherHost, other) => otherHost.base === host.base && other.botId === config.botId
  }
}
