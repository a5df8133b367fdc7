/** The open chat. */

import { useEffect, useRef, useState } from 'preact/hooks'
import type { Chat } from '../chat'
import type { Reach } from './App'
import { BotInfo } from './BotInfo'
import { Composer } from './Composer'
import { Confirm } from './Confirm'
import { ConversationList } from './ConversationList'
import { Header } from './Header'
import { KeyboardArea } from './KeyboardArea'
import { MessageList } from './MessageList'

export function Panel({ chat, reach }: { chat: Chat; reach: Reach }) {
  const { store } = chat
  const t = store.t.value
  const view = store.view.value
  const refused = store.refused.value
  const element = useRef<HTMLDivElement>(null)
  const [dragging, setDragging] = useState(false)

  const takeFocus = (): void => {
    const panel = element.current
    // A keyboard that springs up covers half of a phone: there the panel takes the focus, not the field.
    const field = matchMedia('(pointer: coarse)').matches ? null : panel?.querySelector('textarea')
    ;(field ?? panel)?.focus()
  }
  useEffect(() => {
    if (store.focus.value) takeFocus()
  }, [])
  // The button that led to another view may be gone with the one before.
  const lastView = useRef(view)
  useEffect(() => {
    const { activeElement } = document
    const lost = activeElement === document.body || activeElement === element.current
    if (lastView.current !== view && document.hasFocus() && lost) takeFocus()
    lastView.current = view
  }, [view])

  const onKeyDown = (event: KeyboardEvent): void => {
    const { closeOnEscape, enableResetSessionShortcut } = store.config.value
    if (event.key === 'Escape' && !event.defaultPrevented && !event.isComposing) {
      if (view !== 'chat') chat.show('chat')
      else if (closeOnEscape) chat.close()
    } else if (event.key === 'Enter' && event.ctrlKey && event.shiftKey && enableResetSessionShortcut) {
      event.preventDefault()
      chat.reset()
    }
  }

  const holdsFiles = (event: DragEvent): boolean => view === 'chat' && !!event.dataTransfer?.types.includes('Files')
  const dropping = {
    onDragOver(event: DragEvent) {
      if (!holdsFiles(event)) return
      event.preventDefault()
      setDragging(true)
    },
    onDragLeave(event: DragEvent) {
      // Only when the panel is left, not when the pointer goes from one part of it to another.
      if (!element.current?.contains(event.relatedTarget as Node | null)) setDragging(false)
    },
    onDrop(event: DragEvent) {
      if (!holdsFiles(event)) return
      event.preventDefault()
      setDragging(false)
      for (const file of event.dataTransfer?.files ?? []) chat.upload(file)
    }
  }

  return (
    <section
      ref={element}
      class={`bpw-layout bpw-chat-container bpw-view-${view}`}
      aria-label={store.botName.value || t('chat')}
      tabIndex={-1}
      onKeyDown={onKeyDown}
      {...dropping}
    >
      <Header chat={chat} />
      {(refused || store.offline.value) && (
        <p class="bpw-offline" role="status">
          {t(refused ? 'refused' : 'offline')}
        </p>
      )}
      {view === 'chat' && (
        <>
          <MessageList chat={chat} reach={reach} />
          <KeyboardArea chat={chat} reach={reach} refocus={takeFocus} />
          {!refused && <Composer chat={chat} />}
        </>
      )}
      {view === 'conversations' && <ConversationList chat={chat} />}
      {view === 'info' && <BotInfo chat={chat} />}
      {store.config.value.showPoweredBy && <p class="bpw-powered">{t('powered')} nudge</p>}
      <div class="bpw-notice" role="status">
        {store.notice.value}
      </div>
      {dragging && <div class="bpw-drop">{t('composer.drop')}</div>}
      {store.confirming.value && <Confirm chat={chat} />}
    </section>
  )
}
