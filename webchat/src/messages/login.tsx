/** `login_prompt`: asks for a user name and a password, which go to the bot and are shown nowhere. */

import { useId, useState } from 'preact/hooks'
import { dirOf } from '../i18n'
import type { Drawn } from './context'
import { text } from './read'
import { PlainText } from './text'

/** The form, with the message that asks; gone once it was sent, or when something else was said. */
export function LoginPrompt({ payload, message, context }: Drawn) {
  const { t, last, host, locale, send } = context
  const id = useId()
  const [sent, setSent] = useState(false)
  const asked = text(payload, ['text', 'message', 'title']) ?? text({ ...message }, ['message_text'])

  const submit = (event: Event) => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    const data = new FormData(form)
    send({
      type: 'login_prompt',
      text: t('login.sent'),
      data: { username: data.get('username'), password: data.get('password') }
    })
    form.reset()
    setSent(true)
  }

  return (
    <>
      <PlainText text={asked ?? t('login.title')} host={host} />
      {last && !sent && !message.userId && (
        <form class="bpw-login" dir={dirOf(locale)} onSubmit={submit} autocomplete="on">
          <label htmlFor={`${id}-name`}>{t('login.username')}</label>
          <input id={`${id}-name`} name="username" autocomplete="username" autocapitalize="none" dir="auto" required />
          <label htmlFor={`${id}-password`}>{t('login.password')}</label>
          <input id={`${id}-password`} name="password" type="password" autocomplete="current-password" required />
          <button type="submit" class="bpw-button bpw-login-send">
            {t('login.send')}
          </button>
        </form>
      )}
    </>
  )
}
