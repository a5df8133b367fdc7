/** How payloads look. The frame uses what this file exports and nothing else of this folder. */

import type { Message, Translate } from '../types'
import { Boundary } from './boundary'
import type { MessageContext } from './context'
import './messages.css'
import './forms.css'
import { cut, type Fields, fields, harmless, isFields } from './read'
import { staysAfterClick } from './replies'
import { isSilent, previewOfPayload, rendererOf, wordsOf } from './table'

export type { MessageContext } from './context'
export { loadMarkdown } from './text'

/** Longest preview, in UTF-16 units. */
const LONGEST_PREVIEW = 200

/** A payload, with the type that its message has where it says none itself. */
function payloadOf(message: Message): Fields {
  const payload = fields(message.payload)
  return typeof payload.type === 'string' ? payload : { ...payload, type: fields(message).message_type }
}

/** The content of a message's bubble; null for what is not shown (`visit`, …). */
export function MessageBody({ message, context }: { message: Message; context: MessageContext }) {
  if (!isShown(message)) return null
  const payload = payloadOf(message)
  const { Body } = rendererOf(payload)
  const instead = <p class="bpw-unsupported">{context.t('message.unsupported')}</p>
  return (
    <Boundary instead={instead}>
      <Body payload={payload} message={message} context={context} depth={0} />
    </Boundary>
  )
}

/** What a message asks below the list (quick replies, a dropdown with `displayInKeyboard`); null where it asks nothing. */
export function Keyboard({ message, context }: { message: Message; context: MessageContext }) {
  // Buttons belong to what the bot asks; those of a visitor's payload would be a trick.
  if (!context.last || fields(message).userId || !isShown(message)) return null
  const payload = payloadOf(message)
  const { Keyboard } = rendererOf(payload)
  return Keyboard ? (
    <Boundary instead={null} key={message.id}>
      <Keyboard payload={payload} context={context} />
    </Boundary>
  ) : null
}

/**
 * The message whose keyboard is shown: the last one, or the bot's last one while the visitor only clicks on buttons that
 * stay (`allowMultipleClick`).
 */
export function keyboardMessage(messages: readonly Message[]): Message | undefined {
  const shown = messages.filter(isShown)
  const last = shown.at(-1)
  if (!last?.userId || last.message_type !== 'quick_reply') return last
  const asked = shown.filter(message => !message.userId).at(-1)
  return asked && staysAfterClick(payloadOf(asked)) ? asked : last
}

/** A message in one line of plain text: for the list of conversations, the teaser, and screen readers. */
export function previewOf(message: Message, t: Translate): string {
  const found = previewOfPayload(payloadOf(message), t) ?? wordsOf(message) ?? t('message.unsupported')
  return cut(harmless(found).replace(/\s+/g, ' ').trim(), LONGEST_PREVIEW)
}

/** Whether a message is shown at all. */
export function isShown(message: Message): boolean {
  if (!isFields(message)) return false
  const payload = fields(message.payload)
  if (isSilent(message.message_type) || isSilent(payload.type)) return false
  // A click on a button of which no words are kept leaves nothing to show.
  const silent = message.message_type === 'postback' || message.message_type === 'say_something'
  return !silent || typeof payload.text === 'string' || typeof message.message_text === 'string'
}
