/** How payloads look. The frame uses what this file exports and nothing else of this folder. */

import type { Message, Payload, Translate } from '../types'

/** What a message may reach. */
export interface MessageContext {
  t: Translate
  /** BCP 47, such as `fr`. */
  locale: string
  /** Where relative addresses start. */
  host: string
  /** Says something as the visitor: `POST /messages`. */
  send(payload: Payload): void
  /** Tells the bot something: `POST /events`. */
  sendEvent(payload: Payload): void
  /** Uploads a file; `payload` is that of the quick reply that asked for it. */
  upload(file: File, payload?: unknown): void
  /** Whether this is the last message: buttons of quick replies are shown with that one only. */
  last: boolean
}

/** The content of a message's bubble; null for what is not shown (`visit`, …). */
export function MessageBody({ message }: { message: Message; context: MessageContext }) {
  return <p>{String(message.payload.text ?? message.message_text ?? '')}</p>
}

/** What a message asks below the list (quick replies, a dropdown with `displayInKeyboard`); null where it asks nothing. */
export function Keyboard(_: { message: Message; context: MessageContext }) {
  return null
}

/** A message in one line of plain text: for the list of conversations, the teaser, and screen readers. */
export function previewOf(message: Message, _: Translate): string {
  return String(message.payload.text ?? message.message_text ?? '')
}

/** Whether a message is shown at all. */
export function isShown(message: Message): boolean {
  return message.message_type !== 'visit'
}
