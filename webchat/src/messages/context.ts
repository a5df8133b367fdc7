/** What is handed to every renderer. */

import type { Message, Payload, Translate } from '../types'
import type { Fields } from './read'

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
  /** Uploads a file. */
  upload(file: File): void
  /** Whether this is the last message: buttons of quick replies are shown with that one only. */
  last: boolean
}

/** What draws a payload, or a part of it. */
export interface Drawn {
  payload: Fields
  message: Message
  context: MessageContext
  /** How many payloads this one is wrapped in. */
  depth: number
}
