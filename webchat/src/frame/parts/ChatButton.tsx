/**
 * The chat button. Pages reach into the frame for the first `<button>` and listen to its clicks, so it is there from the
 * beginning and stays the same element for ever; while the chat is open it is only hidden.
 */

import type { RefObject } from 'preact'
import { MessageCircle } from 'lucide-preact'
import type { Chat } from '../chat'

export function ChatButton({ chat, element }: { chat: Chat; element: RefObject<HTMLButtonElement> }) {
  const { store } = chat
  const unread = store.unread.value
  const hidden = store.open.value || store.config.value.hideWidget
  const t = store.t.value
  const label = unread > 0 ? `${t('button.open')}. ${t('button.unread', { count: unread })}` : t('button.open')
  return (
    <button
      ref={element}
      type="button"
      class={`bpw-widget-btn bpw-floating-button${hidden ? ' bpw-hidden' : ''}`}
      aria-label={label}
      aria-expanded={store.open.value}
      onClick={() => chat.open(true)}
    >
      <MessageCircle size={28} aria-hidden="true" />
      {unread > 0 && (
        <span class="bpw-floating-button-unread" aria-hidden="true">
          {unread > 99 ? '99+' : unread}
        </span>
      )}
    </button>
  )
}
