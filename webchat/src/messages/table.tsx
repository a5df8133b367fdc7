/** Which payload is drawn by what: the one table of types. */

import type { ComponentType } from 'preact'
import type { Message, Translate } from '../types'
import { LoneCard } from './card'
import { Carousel } from './carousel'
import type { Drawn } from './context'
import { DropdownBody, DropdownKeyboard } from './dropdown'
import { describe, FileBody } from './file'
import { Location, placeOf } from './location'
import { LoginPrompt } from './login'
import { DEEPEST, type Fields, fields, isFields, label, list, text } from './read'
import { QuickReplies, rowsOf } from './replies'
import { MarkdownText, PlainText } from './text'

/** How a type is shown. */
export interface Renderer {
  Body: ComponentType<Drawn>
  /** What stands below the list while this is the last message. */
  Keyboard?: ComponentType<Pick<Drawn, 'payload' | 'context'>>
  /** In one line; undefined where the payload has nothing to say. */
  preview(payload: Fields, t: Translate, depth: number): string | undefined
}

const file: Renderer = {
  Body: FileBody,
  preview: (payload, t) => {
    const { name, medium } = describe(payload)
    return name ? `${t(`file.${medium}`)}: ${name}` : t(`file.${medium}`)
  }
}

const question: Renderer = {
  Body: Text,
  Keyboard: QuickReplies,
  preview: payload => text(payload, ['text'])
}

const dropdown: Renderer = {
  Body: DropdownBody,
  Keyboard: DropdownKeyboard,
  preview: payload => text(payload, ['message', 'text'])
}

const TABLE = new Map<string, Renderer>([
  ['text', question],
  ['single-choice', question],
  ['file', file],
  ['image', file],
  ['video', file],
  ['audio', file],
  ['card', { Body: LoneCard, preview: payload => label(payload, 'title', 'subtitle') }],
  ['carousel', { Body: Carousel, preview: previewOfCarousel }],
  ['location', { Body: Location, preview: placeOf }],
  [
    'login_prompt',
    { Body: LoginPrompt, preview: (payload, t) => text(payload, ['text', 'message']) ?? t('login.title') }
  ],
  ['dropdown', dropdown],
  ['custom extensions/Dropdown', dropdown],
  [
    'custom channel-web/QuickReplies',
    {
      Body: Wrapped,
      Keyboard: QuickReplies,
      preview: (payload, t, depth) => previewOfPayload(fields(payload.wrapped), t, depth + 1)
    }
  ],
  // What the visitor did is stored with the words for it.
  ...['quick_reply', 'form', 'postback', 'say_something'].map(type => [type, question] as const)
])

/** Types that are never shown: signs between page, visitor and bot. */
const SILENT = new Set(
  'visit typing data session_reset session_reference request_start_conversation proactive-trigger'.split(' ')
)

/** The name of a payload in the table. */
export function kindOf(payload: Fields): string {
  const type = payload.type
  if (type === 'custom') return `custom ${text(payload, ['module']) ?? ''}/${text(payload, ['component']) ?? ''}`
  return typeof type === 'string' ? type : 'text'
}

/** Whether a type is shown. */
export function isSilent(type: unknown): boolean {
  return typeof type === 'string' && SILENT.has(type)
}

/** What draws a payload. */
export function rendererOf(payload: Fields): Renderer {
  return TABLE.get(kindOf(payload)) ?? unknown
}

/** All kinds that are drawn. */
export const kinds: readonly string[] = [...TABLE.keys()]

/** `text`, and the words of questions. What a visitor wrote is never Markdown: they see what they typed. */
function Text({ payload, message, context }: Drawn) {
  const found = text(payload, ['text']) ?? text({ ...message }, ['message_text'])
  const words = found ?? (rowsOf(payload).length > 0 ? context.t('message.choose') : undefined)
  if (words === undefined) return <Unsupported payload={payload} context={context} />
  return payload.markdown === true && !message.userId ? (
    <MarkdownText text={words} host={context.host} />
  ) : (
    <PlainText text={words} host={context.host} />
  )
}

/** The message that quick replies (or a component we do not know) are wrapped around. */
function Wrapped(drawn: Drawn) {
  const wrapped = fields(drawn.payload.wrapped)
  const inner = rendererOf(wrapped)
  if (drawn.depth >= DEEPEST) return <Unsupported {...drawn} />
  if (isFields(drawn.payload.wrapped) && (inner !== question || text(wrapped, ['text']) !== undefined)) {
    return <inner.Body {...drawn} payload={wrapped} depth={drawn.depth + 1} />
  }
  const words = text({ ...drawn.message }, ['message_text']) ?? drawn.context.t('message.choose')
  return <PlainText text={words} host={drawn.context.host} />
}

/** A quiet line for what we do not know or cannot read; with its words, where it has some. */
function Unsupported({ payload, context }: Pick<Drawn, 'payload' | 'context'>) {
  return (
    <p class="bpw-unsupported" dir="auto">
      {text(payload, ['text']) ?? context.t('message.unsupported')}
    </p>
  )
}

const unknown: Renderer = {
  Body: drawn => (isFields(drawn.payload.wrapped) ? <Wrapped {...drawn} /> : <Unsupported {...drawn} />),
  Keyboard: QuickReplies,
  preview: (payload, t, depth) =>
    isFields(payload.wrapped) ? previewOfPayload(payload.wrapped, t, depth + 1) : text(payload, ['text'])
}

function previewOfCarousel(payload: Fields): string | undefined {
  const titles = list(payload, 'elements', 'items').map(card => label(fields(card), 'title'))
  return text(payload, ['text']) ?? (titles.filter(Boolean).join(', ') || undefined)
}

/** A payload in words; undefined where it has none. */
export function previewOfPayload(payload: Fields, t: Translate, depth = 0): string | undefined {
  if (depth > DEEPEST) return undefined
  const found = rendererOf(payload).preview(payload, t, depth)
  return found !== undefined && payload.markdown === true ? withoutMarkup(found) : found
}

/** A Markdown text less its most usual signs. What comes out is shown as text, so nothing depends on its being complete. */
export function withoutMarkup(markdown: string): string {
  return markdown
    .slice(0, 2_000)
    .replace(/!?\[([^[\]]*)\]\([^()]*\)/g, '$1')
    .replace(/^[ \t]*(?:#{1,6}|>|[-*+]|\d{1,9}[.)])[ \t]+/gm, '')
    .replace(/<\/?[a-z][^<>]*>/gi, '')
    .replace(/(\*\*|__|~~|`+)/g, '')
    .replace(/(^|[\s(])[*_]([^*_\n]+)[*_](?=$|[\s).,;:!?])/g, '$1$2')
}

/** The words of a stored message, whatever its type. */
export function wordsOf(message: Message): string | undefined {
  return text(fields(message), ['message_text'])
}
