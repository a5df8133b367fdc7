/** What the last message asks, between the list and the composer. */

import { Keyboard, isShown } from '../../messages'
import type { Chat } from '../chat'
import { shownLetters } from '../outbox'
import type { Reach } from './App'

export function KeyboardArea({ chat, reach }: { chat: Chat; reach: Reach }) {
  const messages = chat.store.messages.value.filter(isShown)
  const message = messages[messages.length - 1]
  // What the visitor has just said is an answer already.
  if (!message || shownLetters(chat.outbox.letters.value, chat.store.conversation.value).length > 0) return null
  return (
    <div class="bpw-keyboard">
      <Keyboard key={message.id} message={message} context={{ ...reach, last: true }} />
    </div>
  )
}
