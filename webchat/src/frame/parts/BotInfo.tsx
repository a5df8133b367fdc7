/** Who the bot is, and a button to begin. */

import type { Chat } from '../chat'
import { Avatar } from './Avatar'

export function BotInfo({ chat }: { chat: Chat }) {
  const { store } = chat
  const t = store.t.value
  const info = store.info.value
  const details = info?.details ?? {}
  const begun = store.messages.value.length > 0
  const start = (): void => {
    if (!begun) chat.send({ type: 'request_start_conversation', text: 'User requested to start the conversation' })
    chat.show('chat')
  }
  return (
    <div class="bpw-botinfo-container">
      {safe(details.coverPictureUrl) && <img class="bpw-botinfo-cover" src={safe(details.coverPictureUrl)} alt="" />}
      <Avatar store={store} />
      <h3 class="bpw-botinfo-name" dir="auto">
        {store.botName.value}
      </h3>
      {info?.description && (
        <p class="bpw-botinfo-description" dir="auto">
          {info.description}
        </p>
      )}
      <ul class="bpw-botinfo-links">
        <Row label={t('info.website')} href={safe(details.website)} text={details.website} />
        <Row
          label={t('info.phone')}
          href={details.phoneNumber && `tel:${details.phoneNumber}`}
          text={details.phoneNumber}
        />
        <Row
          label={t('info.email')}
          href={details.emailAddress && `mailto:${details.emailAddress}`}
          text={details.emailAddress}
        />
        <Row href={safe(details.termsConditions)} text={details.termsConditions && t('info.terms')} />
        <Row href={safe(details.privacyPolicy)} text={details.privacyPolicy && t('info.privacy')} />
      </ul>
      <button type="button" class="bpw-botinfo-start" onClick={start}>
        {begun ? t('info.back') : t('info.start')}
      </button>
    </div>
  )
}

function Row({ label, href, text }: { label?: string; href?: string; text?: string }) {
  if (!href || !text) return null
  return (
    <li class="bpw-botinfo-link">
      {label && <span class="bpw-botinfo-label">{label}</span>}
      <a href={href} target="_blank" rel="noopener noreferrer">
        {text}
      </a>
    </li>
  )
}

/** An address that only shows something; a bare `example.com` is one too. */
function safe(address: string | undefined): string | undefined {
  if (!address) return undefined
  if (/^(https?:\/\/|\/)/i.test(address)) return address
  return /^[\w-]+(\.[\w-]+)+([/?#]|$)/.test(address) ? `https://${address}` : undefined
}
