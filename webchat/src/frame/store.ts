/** What the frame shows: signals that components read and `chat.ts` writes. */

import { computed, signal, type ReadonlySignal, type Signal } from '@preact/signals'
import { english } from '../i18n'
import type { BotInfo, Config, ConversationRow, Message, Translate } from '../types'
import type { Options } from './config'
import type { Visitor } from './visitor'

export type View = 'chat' | 'conversations' | 'info'

/** What the server takes, as its page says. */
export interface Limits {
  /** Of a message, in UTF-16 units (`maxMessageLength`). */
  message: number
  /** Of a file, in bytes (`maxFileSize`). */
  file: number
}

/** Reads them from the root of the page; the server's defaults where it says nothing. */
export const limitsOf = ({ maxMessageLength, maxFileSize }: DOMStringMap): Limits => ({
  message: Number(maxMessageLength) || 360,
  file: Number(maxFileSize) || 5 << 20
})

export interface Store {
  options: Options
  limits: Limits
  config: Signal<Config>
  t: Signal<Translate>
  visitor: Signal<Visitor | undefined>
  info: Signal<BotInfo | undefined>
  open: Signal<boolean>
  /** Whether the panel takes the focus when it opens: not when the page opens it while the visitor is elsewhere. */
  focus: Signal<boolean>
  view: Signal<View>
  /** Null until the first message makes one. */
  conversation: Signal<number | string | null>
  messages: Signal<readonly Message[]>
  conversations: Signal<readonly ConversationRow[]>
  /** The history is on its way. */
  loading: Signal<boolean>
  typing: Signal<boolean>
  /** Messages of the bot since the chat was last open. */
  unread: Signal<number>
  /** Something new in another conversation than the one that is shown. */
  unreadElsewhere: Signal<boolean>
  /** The message beside the button. */
  teaser: Signal<Message | undefined>
  /** No connection for a while. */
  offline: Signal<boolean>
  /** The server does not believe that the visitor is who the page says. */
  refused: Signal<boolean>
  /** Said once, for a while: "transcript saved", an error. */
  notice: Signal<string>
  confirming: Signal<boolean>
  /** What is written and not sent. */
  draft: Signal<string>
  /** What the visitor said before, oldest first: for the arrow keys. */
  said: Signal<readonly string[]>
  botName: ReadonlySignal<string>
  avatar: ReadonlySignal<string | undefined>
  locale: ReadonlySignal<string>
}

export function openStore(options: Options, language: string, limits: Limits = limitsOf({})): Store {
  const config = signal<Config>(options.config)
  const info = signal<BotInfo | undefined>(undefined)
  return {
    options,
    limits,
    config,
    info,
    t: signal<Translate>(english),
    visitor: signal<Visitor | undefined>(undefined),
    open: signal(options.fullscreen),
    focus: signal(false),
    view: signal<View>('chat'),
    conversation: signal<number | string | null>(null),
    messages: signal<readonly Message[]>([]),
    conversations: signal<readonly ConversationRow[]>([]),
    loading: signal(true),
    typing: signal(false),
    unread: signal(0),
    unreadElsewhere: signal(false),
    teaser: signal<Message | undefined>(undefined),
    offline: signal(false),
    refused: signal(false),
    notice: signal(''),
    confirming: signal(false),
    draft: signal(''),
    said: signal<readonly string[]>([]),
    botName: computed(() => config.value.botName || info.value?.name || ''),
    avatar: computed(() => config.value.avatarUrl || info.value?.details.avatarUrl),
    locale: computed(() => localeOf(config.value.locale, language))
  }
}

/** The configured language, else (also for `browser`) the visitor's. */
function localeOf(configured: string | undefined, language: string): string {
  const wanted = configured && configured !== 'browser' ? configured : language
  try {
    return Intl.getCanonicalLocales(wanted)[0] ?? 'en'
  } catch {
    return 'en'
  }
}
