/** The visitor's conversations. */

import { Plus } from 'lucide-preact'
import { formatDate, formatTime } from '../../i18n'
import type { ConversationRow, Translate } from '../../types'
import type { Chat } from '../chat'
import { sameConversation } from '../thread'

export function ConversationList({ chat }: { chat: Chat }) {
  const { store } = chat
  const t = store.t.value
  const rows = store.conversations.value
  return (
    <div class="bpw-convo-list">
      <button type="button" class="bpw-convo-new" onClick={chat.begin}>
        <Plus size={18} aria-hidden="true" />
        {t('conversations.new')}
      </button>
      {rows.length === 0 && <p class="bpw-convo-none">{t('conversations.none')}</p>}
      <ul class="bpw-convo-rows">
        {rows.map(row => (
          <Row key={row.id} chat={chat} row={row} />
        ))}
      </ul>
    </div>
  )
}

function Row({ chat, row }: { chat: Chat; row: ConversationRow }) {
  const { store } = chat
  const t = store.t.value
  const locale = store.locale.value
  const at = row.message_sent_on ?? row.last_heard_on ?? row.created_on
  const preview = previewOfRow(row, t)
  return (
    <li>
      <button
        type="button"
        class="bpw-convo-item"
        aria-current={sameConversation(store.conversation.value, row.id)}
        onClick={() => chat.load(row.id)}
      >
        <span class="bpw-convo-preview">
          <bdi>{preview}</bdi>
        </span>
        <time class="bpw-convo-date" dateTime={at}>
          {formatDate(at, locale)}, {formatTime(at, locale)}
        </time>
      </button>
    </li>
  )
}

/** The last message of a conversation in a line. The list has its words, but not its payload. */
function previewOfRow(row: ConversationRow, t: Translate): string {
  const { message_type, message_text } = row
  if (!message_type) return t('conversations.empty')
  return message_text?.trim() || t(MEDIA.get(message_type) ?? 'conversations.message')
}

/** What messages without words are called. */
const MEDIA = new Map([
  ['file', 'file.file'],
  ['image', 'file.image'],
  ['audio', 'file.audio'],
  ['video', 'file.video']
])
