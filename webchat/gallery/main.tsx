/**
 * Every kind of message on one page, to be looked at: `npm run gallery`. `?theme=dark&locale=ar` change how;
 * `?attacks` shows `tests/xss-payloads.json` instead.
 */

import { render } from 'preact'
import { dirOf, loadTranslator } from '../src/i18n'
import { Keyboard, MessageBody } from '../src/messages'
import type { Message, Payload } from '../src/types'
import './gallery.css'
import { type Sample, samples } from './samples'

const query = new URLSearchParams(location.search)
const locale = query.get('locale') ?? 'en'
document.documentElement.classList.toggle('dark', query.get('theme') === 'dark')
document.documentElement.lang = locale
document.documentElement.dir = dirOf(locale)

const note = (what: string) => (payload: unknown) => console.log(what, payload)
const context = {
  t: await loadTranslator(locale),
  locale,
  host: location.origin,
  last: true,
  send: note('send'),
  sendEvent: note('event'),
  upload: note('upload')
}

interface Attack {
  name: string
  from: 'bot' | 'user'
  message: { payload: Payload }
}

async function attacks(): Promise<Sample[]> {
  const { default: text } = await import('../tests/xss-payloads.json?raw')
  return (JSON.parse(text) as Attack[]).map(({ name, from, message }) => [name, message.payload, from === 'user'])
}

const shown = query.has('attacks') ? await attacks() : samples(location.origin)

render(
  <main class="list">
    <h1 class="bpw-visually-hidden">Messages</h1>
    {shown.map(([title, payload, user], at) => {
      const message: Message = {
        id: String(at),
        conversationId: 1,
        userId: user ? 'visitor' : null,
        full_name: '',
        message_type: payload.type ?? 'text',
        payload,
        sent_on: new Date().toISOString()
      }
      return (
        <div class="sample" key={title}>
          <h2>{title}</h2>
          <div class={user ? 'bpw-chat-bubble user' : 'bpw-chat-bubble'}>
            <MessageBody message={message} context={context} />
          </div>
          <Keyboard message={message} context={context} />
        </div>
      )
    })}
  </main>,
  document.body
)
