/** What the last message asks, between the list and the composer. */

import { useEffect, useRef } from 'preact/hooks'
import { Keyboard, keyboardMessage } from '../../messages'
import type { Chat } from '../chat'
import { messageOf, shownLetters } from '../outbox'
import type { Reach } from './App'

export function KeyboardArea({ chat, reach, refocus }: { chat: Chat; reach: Reach; refocus(): void }) {
  const { messages, conversation, visitor } = chat.store
  // What the visitor has just said is an answer already.
  const letters = shownLetters(chat.outbox.letters.value, conversation.value)
  const said = letters.map(letter => messageOf(letter, visitor.value?.id ?? 'me'))
  const message = keyboardMessage([...messages.value, ...said])

  // A button that answers is gone then: the focus goes on, and does not fall back to the beginning of the page.
  const focused = useRef(false)
  useEffect(() => {
    if (!focused.current || document.activeElement !== document.body) return
    focused.current = false
    refocus()
  })
  return (
    <div
      class="bpw-keyboard"
      onFocusIn={() => (focused.current = true)}
      onFocusOut={event => (focused.current = event.relatedTarget === null)}
    >
      {message && <Keyboard key={message.id} message={message} context={{ ...reach, last: true }} />}
    </div>
  )
}
