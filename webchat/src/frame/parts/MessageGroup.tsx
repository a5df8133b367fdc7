/** What one author said in a row. */

import { CircleAlert } from 'lucide-preact'
import { formatTime } from '../../i18n'
import { MessageBody } from '../../messages'
import type { Message } from '../../types'
import type { Chat } from '../chat'
import { idOf, type Letter } from '../outbox'
import type { Group } from '../thread'
import type { Reach } from './App'
import { Avatar } from './Avatar'

interface Props {
  chat: Chat
  reach: Reach
  group: Group
  /** Messages that are under way. */
  letters: readonly Letter[]
  /** The last message of the list. */
  last: Message | undefined
}

export function MessageGroup({ chat, reach, group, letters, last }: Props) {
  const { store } = chat
  const { fromBot, messages } = group
  const { showTimestamp, showUserName, showUserAvatar } = store.config.value
  const t = store.t.value
  const first = messages[0]
  const end = messages[messages.length - 1]
  if (!first || !end) return null
  const name = fromBot ? store.botName.value || first.full_name : first.full_name
  return (
    <div class={`bpw-message-big-container ${fromBot ? 'bpw-from-bot' : 'bpw-from-user'}`}>
      {fromBot && <Avatar store={store} message={first} />}
      <div class="bpw-message-container">
        <span class={showUserName && name ? 'bpw-message-username' : 'bpw-visually-hidden'} dir="auto">
          {fromBot || (showUserName && name) ? name : t('messages.you')}
        </span>
        <div class="bpw-message-group">
          {messages.map(message => {
            const letter = letters.find(one => idOf(one) === message.id)
            const unsent = letter?.state === 'failed' || letter?.state === 'refused'
            return (
              <div class="bpw-message-row" key={chat.outbox.keyOf(message.id)}>
                <div class={`bpw-chat-bubble bpw-bubble-${kindOf(message)}${letter ? ' bpw-chat-bubble-pending' : ''}`}>
                  <div class="bpw-chat-bubble-content" dir="auto">
                    <MessageBody message={message} context={{ ...reach, last: message === last }} />
                  </div>
                </div>
                {letter && unsent && (
                  <button type="button" class="bpw-unsent" onClick={() => chat.outbox.retry(letter.id)}>
                    <CircleAlert size={14} aria-hidden="true" />
                    {t('messages.unsent')}
                  </button>
                )}
              </div>
            )
          })}
        </div>
        {showTimestamp !== false && (
          <time class="bpw-message-timestamp" dateTime={end.sent_on}>
            {formatTime(end.sent_on, store.locale.value)}
          </time>
        )}
      </div>
      {!fromBot && showUserAvatar && first.avatar_url && <Avatar store={store} message={first} />}
    </div>
  )
}

/** The type of a message as part of a class name. */
const kindOf = (message: Message): string =>
  String(message.payload.type ?? message.message_type)
    .replace(/[^\w-]/g, '')
    .slice(0, 40)
