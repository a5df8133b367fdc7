/** What the page configures: read from the frame's address, completed with defaults, changed at run time. */

import type { Config } from '../types'

/** What the frame's address says. */
export interface Options {
  /** Where the server is, without a slash at the end: what stands before `/lite/`. */
  root: string
  botId: string
  config: Config
  /** The direction of the page around the frame: on which side of it the frame is. */
  pageDirection: 'ltr' | 'rtl'
  /** The chat fills the window and cannot be closed. */
  fullscreen: boolean
  ref?: string
}

/** Whatever a page may leave out and that is not simply off. */
const defaults: Config = {
  enableReset: true,
  enableTranscriptDownload: false,
  showConversationsButton: true,
  enableArrowNavigation: true,
  closeOnEscape: true,
  showTimestamp: true,
  showTeaser: true,
  theme: 'auto'
}

/** An object that is not a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** How ids begin that the server issues together with a secret. */
const ISSUED = 'nv1-'

/** What is text wherever it is used: a page may well give a number. */
const TEXTS = new Set(
  (
    'avatarUrl botConvoDescription botId botName chatId className composerPlaceholder externalAuthToken extraStylesheet host ' +
    'locale ref stylesheet theme userId userIdScope userSecret'
  ).split(' ')
)

/**
 * Lays `over` on `under`; what is undefined or null in `over` leaves what was. So does what is neither a text, a number nor a
 * switch: whoever made the page or the link could otherwise hand over an object that is drawn as an element of ours.
 */
export function merge(under: Config, over: Config): Config {
  const merged: Config = { ...under }
  for (const [key, value] of Object.entries(over)) {
    const kind = typeof value
    if (key === 'overrides' && isRecord(value)) merged.overrides = value
    else if (kind === 'string' || (kind === 'boolean' && !TEXTS.has(key))) merged[key] = value
    else if (kind === 'number') merged[key] = TEXTS.has(key) ? String(value) : value
  }
  return merged
}

/** A configuration with defaults for what it leaves out. */
export const complete = (config: Config): Config => merge(defaults, config)

/** Reads the frame's address. `top` says that no page is around the frame. */
export function readOptions(address: string, top: boolean): Options {
  const url = new URL(address)
  const [before = '', after = ''] = url.pathname.split(/\/lite\//)
  const query = url.searchParams
  const options = parse(query.get('options'))
  const given = isRecord(options.config) ? (options.config as Config) : {}
  // What proves who the visitor is comes behind a `#`, which no server sees.
  const { userSecret, externalAuthToken } = parse(segment(url.hash.slice(1)) || null) as Config
  const config = complete(merge(given, { userSecret, externalAuthToken }))
  if (options.hideWidget === true) config.hideWidget = true
  // On its own the chat is opened by a link that anybody may have made. An id that was issued to a browser is never in an
  // honest one: whoever sends it around wants to read what others say in its name.
  if (top && config.userId?.startsWith(ISSUED)) {
    delete config.userId
    delete config.userSecret
  }
  const fullscreen = top || query.get('v') === 'Fullscreen' || config.viewMode === 'Fullscreen'
  return {
    root: url.origin + before,
    botId: segment(after.split('/')[0]) || config.botId || '',
    config,
    pageDirection: query.get('dir') === 'rtl' ? 'rtl' : 'ltr',
    fullscreen,
    ref: query.get('ref') || config.ref
  }
}

function parse(text: string | null): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    return isRecord(value) ? value : {}
  } catch {
    console.warn('nudge: `options` in the address of the chat is not JSON, so the configuration was ignored')
    return {}
  }
}

function segment(text = ''): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** A length of CSS: numbers are pixels. */
export const length = (value: number | string): string =>
  typeof value === 'number' || /^\d+$/.test(value) ? `${value}px` : value
