/** A message that came while the chat is closed, beside the button. */

import { X } from 'lucide-preact'
import { previewOf } from '../../messages'
import type { Message } from '../../types'
import type { Chat } from '../chat'
import { Avatar } from './Avatar'

export function Teaser({ chat, message, dismissed }: { chat: Chat; message: Message; dismissed(): void }) {
  const { store } = chat
  const t = store.t.value
  return (
    <div class="bpw-teaser" key={message.id}>
      <button type="button" class="bpw-teaser-open" onClick={() => chat.open(true)}>
        <Avatar store={store} message={message} />
        <span class="bpw-teaser-text">
          <strong class="bpw-teaser-name">
            <bdi>{store.botName.value || message.full_name}</bdi>
          </strong>
          <span class="bpw-teaser-preview">
            <bdi>{previewOf(message, t)}</bdi>
          </span>
        </span>
      </button>
      <button
        type="button"
        class="bpw-teaser-close"
        aria-label={t('teaser.close')}
        title={t('teaser.close')}
        onClick={() => {
          store.teaser.value = undefined
          dismissed()
        }}
      >
        <X size={16} aria-hidden="true" />
      </button>
    </div>
  )
}
