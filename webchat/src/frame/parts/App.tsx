/** Everything in the frame: the button, the bubble beside it, the panel. */

import { useEffect, useMemo, useRef } from 'preact/hooks'
import { loadMarkdown, type MessageContext } from '../../messages'
import type { Chat } from '../chat'
import { ChatButton } from './ChatButton'
import { Panel } from './Panel'
import { Teaser } from './Teaser'

/** What messages may reach, but for `last`. */
export type Reach = Omit<MessageContext, 'last'>

export function App({ chat }: { chat: Chat }) {
  const { store } = chat
  const button = useRef<HTMLButtonElement>(null)
  const open = store.open.value
  const t = store.t.value
  const locale = store.locale.value
  const { root, fullscreen } = store.options
  const reach = useMemo<Reach>(
    () => ({ t, locale, host: root, send: chat.send, sendEvent: chat.sendEvent, upload: chat.upload }),
    [t, locale, root, chat]
  )

  // The focus goes back to the button, if it was in the panel that is gone now.
  const wasOpen = useRef(open)
  useEffect(() => {
    if (wasOpen.current && !open && document.hasFocus()) button.current?.focus()
    wasOpen.current = open
  }, [open])

  // Bots write Markdown: what turns it into HTML shall be there before they do.
  useEffect(() => {
    if (open) loadMarkdown().catch(() => {})
  }, [open])

  const unread = store.unread.value
  return (
    <main class="bpw-root" aria-label={store.botName.value || t('chat')}>
      <h1 class="bpw-visually-hidden">{store.botName.value || t('chat')}</h1>
      {!fullscreen && <ChatButton chat={chat} element={button} />}
      {!open && store.teaser.value && (
        <Teaser chat={chat} message={store.teaser.value} dismissed={() => button.current?.focus()} />
      )}
      {open && <Panel chat={chat} reach={reach} />}
      <div class="bpw-visually-hidden" role="status">
        {!open && unread > 0 ? t('button.unread', { count: unread }) : ''}
      </div>
    </main>
  )
}
