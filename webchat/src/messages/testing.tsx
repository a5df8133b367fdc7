/** For tests of this folder: messages, and a context that notes what is sent. */

import { cleanup, render } from '@testing-library/preact'
import { afterEach, vi } from 'vitest'
import { english } from '../i18n'
import type { Message, Payload } from '../types'
import { Keyboard, MessageBody, type MessageContext } from '.'

afterEach(cleanup)

/** A context with spies. */
export function contextOf(more: Partial<MessageContext> = {}) {
  const spies = {
    send: vi.fn<(payload: Payload) => void>(),
    sendEvent: vi.fn<(payload: Payload) => void>(),
    upload: vi.fn<(file: File) => void>()
  }
  return { t: english, locale: 'en', host: 'https://bot.example/chat', last: true, ...more, ...spies }
}

/** A stored message of the bot. */
export function botMessage(payload: unknown, more: Partial<Message> = {}): Message {
  const type = (payload as Payload | null)?.type
  return {
    id: '4b50599e-da07-4dca-87ec-b5ff9417969b',
    conversationId: '1',
    full_name: 'Bot',
    message_type: typeof type === 'string' ? type : 'text',
    payload: payload as Payload,
    sent_on: '2026-11-22T06:50:33.384Z',
    ...more
  }
}

/** A stored message of the visitor. */
export function userMessage(payload: unknown, more: Partial<Message> = {}): Message {
  return botMessage(payload, { conversationId: 1, userId: 'visitor', full_name: 'User', ...more })
}

/** Draws a message with its keyboard. */
export function show(message: Message, more: Partial<MessageContext> = {}) {
  const context = contextOf(more)
  const view = render(
    <>
      <MessageBody message={message} context={context} />
      <Keyboard message={message} context={context} />
    </>
  )
  return { ...view, context, root: view.container as HTMLElement }
}
