/** The messages, and that the newest one is in sight. */

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks'
import { ArrowDown } from 'lucide-preact'
import { formatDate } from '../../i18n'
import { isShown, loadMarkdown } from '../../messages'
import type { Chat } from '../chat'
import { messageOf, shownLetters } from '../outbox'
import type { Store } from '../store'
import { group, isFromBot, tail } from '../thread'
import type { Reach } from './App'
import { Avatar } from './Avatar'
import { MessageGroup } from './MessageGroup'

/** How near to the end counts as being there, in pixels. */
const NEAR = 48
/** How many messages are drawn at once. A long list comes from its end on, piece by piece, so that nothing stands still. */
const PIECE = 30

export function MessageList({ chat, reach }: { chat: Chat; reach: Reach }) {
  const { store, outbox } = chat
  const t = store.t.value
  const stored = store.messages.value
  const letters = shownLetters(outbox.letters.value, store.conversation.value)
  const visitor = store.visitor.value?.id ?? 'me'
  const messages = useMemo(
    () => [...stored.filter(isShown), ...letters.map(letter => messageOf(letter, visitor))],
    [stored, outbox.letters.value, store.conversation.value, visitor]
  )
  const conversation = store.conversation.value
  const drawn = useRef({ conversation, count: 0 })
  if (drawn.current.conversation !== conversation) drawn.current = { conversation, count: 0 }
  const count = Math.min(messages.length, drawn.current.count + PIECE)
  const [, drawMore] = useState({})
  const groups = useMemo(() => tail(group(messages), count), [messages, count])
  useEffect(() => {
    drawn.current.count = count
    if (count === messages.length) return
    let over = false
    // What turns Markdown into HTML comes first: otherwise everything would be drawn twice.
    void loadMarkdown()
      .catch(() => {})
      .then(() => over || drawMore({}))
    return () => void (over = true)
  })
  const last = messages[messages.length - 1]

  const list = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  /** Whether the list stays at its end as it grows. */
  const atEnd = useRef(true)
  /** Where it stood when it was last looked at. */
  const position = useRef(0)
  const [newer, setNewer] = useState(false)

  const toEnd = (): void => {
    const element = list.current
    if (!element) return
    element.scrollTop = element.scrollHeight
    position.current = element.scrollTop
  }
  /**
   * Sees whether the visitor has gone up: browsers tell of that late. Quick replies make the list smaller before it is told of the
   * way to what asks for them, which leaves the end without anybody having gone up.
   */
  const look = (): void => {
    const element = list.current
    if (!element) return
    const up = element.scrollTop < position.current
    position.current = element.scrollTop
    atEnd.current = element.scrollHeight - element.scrollTop - element.clientHeight < NEAR || (atEnd.current && !up)
    if (atEnd.current) setNewer(false)
  }
  const follow = (): void => {
    look()
    if (atEnd.current) toEnd()
  }

  // Pictures grow when they have come, and the list shrinks when a keyboard appears below it.
  useEffect(() => {
    const observer = new ResizeObserver(follow)
    if (content.current) observer.observe(content.current)
    if (list.current) observer.observe(list.current)
    return () => observer.disconnect()
  }, [])

  const typing = store.typing.value
  useLayoutEffect(() => {
    // What the visitor says is always followed.
    if (last && !isFromBot(last)) {
      atEnd.current = true
      toEnd()
    } else follow()
    if (!atEnd.current && last) setNewer(true)
  }, [last?.id])
  useLayoutEffect(() => {
    follow()
  }, [typing])

  useLayoutEffect(() => {
    atEnd.current = true
    setNewer(false)
    toEnd()
  }, [conversation])

  return (
    <div class="bpw-msg-list-container">
      <div
        ref={list}
        class="bpw-msg-list"
        role="log"
        aria-live="polite"
        aria-label={t('messages')}
        aria-busy={store.loading.value || count < messages.length}
        tabIndex={0}
        onScroll={look}
      >
        <div ref={content} class="bpw-msg-list-content">
          {messages.length === 0 && !store.loading.value && <Welcome store={store} />}
          {groups.map(one => (
            <div key={outbox.keyOf(one.key)} class="bpw-msg-list-item">
              {one.day && (
                <div class="bpw-date-container">
                  <span class="bpw-small-line" />
                  <time class="bpw-date" dateTime={one.day.toISOString()}>
                    {formatDate(one.day.toISOString(), store.locale.value)}
                  </time>
                  <span class="bpw-small-line" />
                </div>
              )}
              <MessageGroup chat={chat} reach={reach} group={one} letters={letters} last={last} />
            </div>
          ))}
          {typing && (
            <div class="bpw-message-big-container bpw-from-bot bpw-typing-group">
              <Avatar store={store} />
              <div class="bpw-typing-bubble">
                <span class="bpw-visually-hidden">{t('typing', { name: store.botName.value || t('chat') })}</span>
                <span class="bpw-typing-dot" />
                <span class="bpw-typing-dot" />
                <span class="bpw-typing-dot" />
              </div>
            </div>
          )}
        </div>
      </div>
      {newer && (
        <button
          type="button"
          class="bpw-newer-button"
          onClick={() => {
            atEnd.current = true
            setNewer(false)
            toEnd()
            list.current?.focus({ preventScroll: true })
          }}
        >
          <ArrowDown size={16} aria-hidden="true" />
          {t('messages.new')}
        </button>
      )}
    </div>
  )
}

/** Who is there, as long as nothing has been said. */
function Welcome({ store }: { store: Store }) {
  const text = store.config.value.botConvoDescription || store.info.value?.description
  return (
    <div class="bpw-welcome">
      <Avatar store={store} />
      <p class="bpw-welcome-name" dir="auto">
        {store.botName.value}
      </p>
      {text && (
        <p class="bpw-welcome-text" dir="auto">
          {text}
        </p>
      )}
    </div>
  )
}
