/** Cards and their buttons. */

import { dirOf } from '../i18n'
import type { MessageContext } from './context'
import { type Fields, fields, label, list, text } from './read'
import { safeLink, safeMedia } from './url'

/** Most buttons of a card. */
const MOST_BUTTONS = 20

/** A card of 12 (`image`, `actions`) or 11.9 (`picture`, `buttons`). */
export function Card({ payload, context }: { payload: Fields; context: MessageContext }) {
  const title = label(payload, 'title')
  const subtitle = text(payload, ['subtitle'])
  const picture = safeMedia(payload.picture ?? payload.image, context.host)
  const buttons = list(payload, 'buttons', 'actions').slice(0, MOST_BUTTONS)
  return (
    <>
      {picture && (
        <div class="bpw-card-picture">
          <img src={picture} alt={title ?? context.t('file.image')} loading="lazy" />
        </div>
      )}
      {(title ?? subtitle) && (
        <div class="bpw-card-header">
          {title && (
            <div class="bpw-card-title" dir="auto">
              {title}
            </div>
          )}
          {subtitle && (
            <div class="bpw-card-subtitle" dir="auto">
              {subtitle}
            </div>
          )}
        </div>
      )}
      {buttons.length > 0 && (
        <div class="bpw-card-actions">
          {buttons.map((button, at) => (
            <CardButton key={at} button={fields(button)} context={context} />
          ))}
        </div>
      )}
    </>
  )
}

/** A card on its own, with its frame. */
export function LoneCard({ payload, context }: { payload: Fields; context: MessageContext }) {
  return (
    // On the side of the interface, whatever the card's texts: a bubble may be written the other way.
    <div dir={dirOf(context.locale)}>
      <div class="bpw-card-container bpw-card-lone">
        <Card payload={payload} context={context} />
      </div>
    </div>
  )
}

/** What a button does: `type` in 11.9 (`say_something`), `action` in 12 (`Say something`). */
function actionOf(button: Fields): string {
  return (text(button, ['type', 'action']) ?? '').toLowerCase().replaceAll(' ', '_')
}

function CardButton({ button, context }: { button: Fields; context: MessageContext }) {
  const title = label(button, 'title', 'label', 'text')
  if (!title) return null
  const action = actionOf(button)
  if (action === 'open_url') {
    const href = safeLink(button.url, context.host)
    return href ? (
      <a class="bpw-card-action" dir="auto" href={href} target="_blank" rel="noopener noreferrer nofollow ugc">
        {title}
      </a>
    ) : (
      <span class="bpw-card-action bpw-card-action-inert" dir="auto">
        {title}
      </span>
    )
  }
  const click =
    action === 'say_something'
      ? () => context.sendEvent({ type: 'say_something', text: text(button, ['text']) ?? title })
      : action === 'postback'
        ? // The title goes along so that the conversation shows what was chosen.
          () => context.send({ type: 'postback', text: title, payload: button.payload })
        : undefined
  return click ? (
    <button type="button" class="bpw-card-action" dir="auto" onClick={click}>
      {title}
    </button>
  ) : (
    <span class="bpw-card-action bpw-card-action-inert" dir="auto">
      {title}
    </span>
  )
}
