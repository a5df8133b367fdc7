/** The head of the panel: who one talks to, and what one can do with the conversation. */

import { ArrowLeft, Download, Info, List, RotateCcw, X, type LucideIcon } from 'lucide-preact'
import type { Chat } from '../chat'
import { Avatar } from './Avatar'

export function Header({ chat }: { chat: Chat }) {
  const { store } = chat
  const { enableReset, enableTranscriptDownload, showConversationsButton, botConvoDescription } = store.config.value
  const t = store.t.value
  const view = store.view.value
  const begun = view === 'chat' && store.messages.value.length > 0
  const title = view === 'conversations' ? t('conversations.title') : store.botName.value
  return (
    <header class="bpw-header-container">
      {view === 'chat' ? (
        <Avatar store={store} />
      ) : (
        <Icon name="back" label={t('header.back')} icon={ArrowLeft} onClick={() => chat.show('chat')} />
      )}
      <div class="bpw-header-title-container">
        <h2 class="bpw-header-title">
          <bdi>{title || t('chat')}</bdi>
        </h2>
        {view === 'chat' && botConvoDescription && (
          <p class="bpw-header-subtitle">
            <bdi>{botConvoDescription}</bdi>
          </p>
        )}
      </div>
      {enableReset && begun && (
        <Icon name="reset" label={t('header.reset')} icon={RotateCcw} onClick={() => (store.confirming.value = true)} />
      )}
      {enableTranscriptDownload && begun && (
        <Icon name="download" label={t('header.download')} icon={Download} onClick={chat.download} />
      )}
      {showConversationsButton && view === 'chat' && !store.refused.value && (
        <Icon
          name="conversations"
          label={store.unreadElsewhere.value ? t('header.conversations.new') : t('header.conversations')}
          marked={store.unreadElsewhere.value}
          icon={List}
          onClick={() => chat.show('conversations')}
        />
      )}
      {store.info.value?.showBotInfoPage && view === 'chat' && (
        <Icon name="botinfo" label={t('header.info')} icon={Info} onClick={() => chat.show('info')} />
      )}
      {!store.options.fullscreen && <Icon name="close" label={t('header.close')} icon={X} onClick={chat.close} />}
    </header>
  )
}

interface IconButton {
  name: string
  label: string
  icon: LucideIcon
  /** A dot says that something is new there. */
  marked?: boolean
  onClick(): void
}

function Icon({ name, label, icon: Picture, marked, onClick }: IconButton) {
  return (
    <button
      type="button"
      class={`bpw-header-icon bpw-header-icon-${name}`}
      aria-label={label}
      title={label}
      onClick={onClick}
    >
      <Picture size={20} aria-hidden="true" class={name === 'back' ? 'bpw-mirrored' : ''} />
      {marked && <span class="bpw-header-icon-dot" />}
    </button>
  )
}
