/** The calls of `window.botpressWebChat`, as they come from the page. */

import type { ToFrame } from '../protocol'
import type { Config, Payload } from '../types'
import type { Chat } from './chat'
import { complete, merge } from './config'
import type { Page } from './page'

/** Does what the page asks for. What needs a visitor waits in the outbox, in order. */
export function answer(chat: Chat, page: Page, call: ToFrame): void {
  switch (call.action) {
    case 'configure':
      return configure(chat, page, complete(call.payload))
    case 'mergeConfig':
      return configure(chat, page, merge(chat.store.config.value, call.payload))
    case 'sendPayload':
      return chat.send(call.payload)
    case 'event':
      return event(chat, call.payload)
  }
}

function event(chat: Chat, payload: Payload): void {
  const { store } = chat
  switch (payload.type) {
    case 'show':
      return chat.open(isActive())
    case 'hide':
      return chat.close()
    case 'toggle':
      return store.open.value ? chat.close() : chat.open(isActive())
    case 'toggleBotInfo':
      if (store.open.value && store.view.value === 'info') return chat.show('chat')
      chat.show('info')
      return chat.open(isActive())
    case 'loadConversation': {
      const id = payload.conversationId
      if (typeof id === 'number' || typeof id === 'string') chat.load(id)
      return
    }
    case 'message':
      chat.show('chat')
      chat.open(isActive())
      // A page that says `message` without a text only opens the chat.
      if (typeof payload.text === 'string' && payload.text.trim() !== '') {
        chat.send({ ...payload, type: 'text', text: payload.text.trim() })
      }
      return
    default:
      return chat.sendEvent({ type: payload.type, payload })
  }
}

/** Whether the page calls because the visitor has just done something, as far as browsers tell. */
const isActive = (): boolean => navigator.userActivation?.isActive ?? false

function configure(chat: Chat, page: Page, next: Config): void {
  const { config } = chat.store
  const before = config.value
  // Where the frame stands does not change.
  config.value = { ...next, botId: before.botId, host: before.host, chatId: next.chatId ?? before.chatId }
  const changed = (key: keyof Config): boolean => before[key] !== config.value[key]
  if (changed('userId') || changed('userSecret') || changed('userIdScope') || changed('useSessionStorage')) chat.visit()
  else if (changed('conversationId') && config.value.conversationId) chat.load(config.value.conversationId)
  page.post({ name: 'configChanged' })
}
