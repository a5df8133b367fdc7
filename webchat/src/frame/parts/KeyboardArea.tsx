/** What the last message asks, between the list and the composer. */

import { Keyboard, keyboardMessage } from '../../messages'
import type { Chat } from '../chat'
import { messageOf, shownLetters } from '../outbox'
import type { Reach } from './App'

export function KeyboardArea({ chat, reach }: { chat: Chat; reach: Reach }) {
  const { messages, conversation, visitor } = chat.store
  // What the visitor has just said is an answer already.
  const letters = shownLetters(chat.outbox.letters.value, conversation.value)
  const said = letters.map(letter => messageOf(letter, visitor.value?.id ?? 'me'))
  const message = keyboardMessage([...messages.value, ...said])
  if (!message) return null
  return (
    <div class="bpw-keyboard">
      <Keyboard key={message.id} message={message} context={{ ...reach, last: true }} />
    </div>
  )
}
