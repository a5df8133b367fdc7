/**
 * One visitor's realtime and history: which conversation is shown, and that every message is in it once, in order.
 *
 * The order is the server's. While a history is read, what the socket brings waits; it is laid behind what was read. So it
 * does not matter how often the connection is lost, nor when.
 */

import type { Message } from '../types'
import { CallFailed, type Api, type ConversationList } from './api'
import { isRecord } from './config'
import type { Heard } from './socket'
import type { Store } from './store'
import { isFromBot, merge, milliseconds, readOn, recent, sameConversation } from './thread'

export interface SessionHooks {
  /** A message that was not there before: not one of a history that the visitor has seen. */
  fresh(message: Message, shown: boolean): void
  /** What the visitor has seen before. */
  history(messages: readonly Message[]): void
  /** Whether the server cannot be reached. */
  trouble(is: boolean): void
  /** Every realtime event, for the page. */
  event(data: Record<string, unknown>): void
}

export type Session = ReturnType<typeof openSession>

/** Longest wait before a history that could not be read is asked for again, in milliseconds. */
const LONGEST_WAIT = 15_000

export function openSession(store: Store, api: Api, hooks: SessionHooks, now: () => number = () => Date.now()) {
  let over = false
  let list: ConversationList | undefined
  /** Tasks that read histories, one after the other. */
  let reading: Promise<void> = Promise.resolve()
  let readers = 0
  let held: Message[] = []
  /** Ends the wait of a reader that failed. */
  let wake = (): void => {}
  let typingTimer: ReturnType<typeof setTimeout> | undefined

  /** Runs a task that reads histories; what is heard meanwhile is held back. A task that fails is run again. */
  function read(task: () => Promise<void>): Promise<void> {
    readers += 1
    const done = reading.then(() => persist(task))
    reading = done.then(() => {
      readers -= 1
      if (readers > 0 || over) return
      const waited = held
      held = []
      waited.forEach(take)
    })
    return reading
  }

  async function persist(task: () => Promise<void>): Promise<void> {
    for (let wait = 1000; !over; wait = Math.min(wait * 2, LONGEST_WAIT)) {
      try {
        await task()
        hooks.trouble(false)
        return
      } catch (error) {
        if (!(error instanceof CallFailed) || error.final) {
          console.warn('nudge: a conversation could not be read', error)
          return
        }
        hooks.trouble(true)
        await new Promise<void>(resolve => {
          const timer = setTimeout(resolve, wait)
          wake = () => {
            clearTimeout(timer)
            resolve()
          }
        })
      }
    }
  }

  /** Reads what came since the last message that is shown; without a conversation, looks whether there is one now. */
  const catchUp = async (): Promise<void> => {
    const id = store.conversation.value
    if (id === null) return loadRecent(true)
    const known = store.messages.value
    const all = await readOn(known, async after => (await api.conversation(id, after)).messages)
    if (over || !sameConversation(store.conversation.value, id)) return
    // A history begins anywhere: what stands before the first message that is shown is as old as that one.
    const seen = new Set(known)
    const begin = Math.max(all.indexOf(known[0]!), 0)
    store.messages.value = all
    hooks.history(all.slice(0, begin))
    for (const message of all.slice(begin)) if (!seen.has(message)) tell(message)
  }

  async function loadRecent(fresh: boolean): Promise<void> {
    list = await api.conversations()
    if (over) return
    store.conversations.value = list.conversations
    const newest = recent(list.conversations, milliseconds(list.recentConversationLifetime), now())
    if (newest) await show(newest.id, fresh)
  }

  /** Shows a conversation. `fresh`: its messages are news to the visitor. */
  async function show(id: number | string, fresh = false): Promise<void> {
    const { messages } = await api.conversation(id)
    if (over) return
    store.conversation.value = id
    store.messages.value = []
    stopTyping()
    if (fresh) messages.forEach(take)
    else {
      store.messages.value = messages
      hooks.history(messages)
    }
  }

  /** The page may name a conversation that is not this visitor's. */
  async function orRecent(error: unknown): Promise<void> {
    if (!(error instanceof CallFailed) || error.status !== 404) throw error
    await loadRecent(false)
  }

  function take(message: Message): void {
    if (store.conversation.value === null) store.conversation.value = message.conversationId
    if (!sameConversation(store.conversation.value, message.conversationId)) {
      hooks.fresh(message, false)
      return
    }
    // A visit says where the bot hears the visitor, and nothing to the visitor.
    if (message.message_type === 'visit') return
    const before = store.messages.value
    const after = merge(before, [message])
    if (after === before) return
    store.messages.value = after
    tell(message)
  }

  /** Something new is in the list. */
  function tell(message: Message): void {
    if (isFromBot(message)) stopTyping()
    hooks.fresh(message, true)
  }

  function stopTyping(): void {
    clearTimeout(typingTimer)
    typingUntil = 0
    store.typing.value = false
  }

  let typingUntil = 0
  /** A second indicator extends the first one; it never shortens it. */
  function type(milliseconds: number): void {
    const until = now() + milliseconds
    if (until <= typingUntil) return
    typingUntil = until
    store.typing.value = true
    clearTimeout(typingTimer)
    typingTimer = setTimeout(stopTyping, milliseconds)
  }

  return {
    /**
     * The first conversation: the one the page asks for, else the recent one. False if the server does not take the
     * visitor's secret.
     */
    async start(asked: number | string | undefined): Promise<boolean> {
      let accepted = true
      await read(async () => {
        try {
          if (asked === undefined || asked === '') await loadRecent(false)
          else await show(asked).catch(orRecent)
        } catch (error) {
          if (!(error instanceof CallFailed) || !isAboutSecret(error)) throw error
          accepted = false
        }
      })
      return accepted
    },
    catchUp: () => {
      wake()
      return read(catchUp)
    },
    show: (id: number | string) => read(() => show(id)),
    async refreshList(): Promise<void> {
      list = await api.conversations()
      if (!over) store.conversations.value = list.conversations
    },
    /** Begins a conversation and shows it. */
    async begin(): Promise<number> {
      const id = await api.newConversation()
      if (!over) {
        store.conversation.value = id
        store.messages.value = []
        stopTyping()
      }
      return id
    },
    /** Whether the server's configuration wants a new conversation now: the last thing was heard too long ago. */
    isStale(): boolean {
      const last = store.messages.value[store.messages.value.length - 1]
      if (!list?.startNewConvoOnTimeout || !last) return false
      return now() - Date.parse(last.sent_on) > milliseconds(list.recentConversationLifetime)
    },
    hear({ name, data }: Heard): void {
      const { botId } = data
      if (over || (typeof botId === 'string' && botId !== store.options.botId)) return
      hooks.event(data)
      if (name === 'guest.webchat.message') {
        const message = readMessage(data)
        if (!message) return
        if (readers > 0) held.push(message)
        else take(message)
      } else if (name === 'guest.webchat.typing') {
        const here =
          store.conversation.value === null || sameConversation(store.conversation.value, data.conversationId as string)
        if (here && typeof data.timeInMs === 'number' && data.timeInMs > 0) type(data.timeInMs)
      }
    },
    end(): void {
      over = true
      wake()
      stopTyping()
    }
  }
}

/**
 * Whether the server does not take the visitor's secret. It says 401 also of tokens, the page's own or a private bot's: those
 * say nothing of the visitor, who must not be forgotten for one that has ended.
 */
const isAboutSecret = ({ status, message }: CallFailed): boolean =>
  status === 401 && message.includes('visitor_secret_')

/** A stored message, as far as the frame relies on it. */
function readMessage(data: Record<string, unknown>): Message | undefined {
  const { id, conversationId, payload } = data
  if (typeof id !== 'string' || (typeof conversationId !== 'number' && typeof conversationId !== 'string'))
    return undefined
  return {
    ...data,
    id,
    conversationId,
    full_name: typeof data.full_name === 'string' ? data.full_name : '',
    message_type: typeof data.message_type === 'string' ? data.message_type : 'text',
    payload: isRecord(payload) ? payload : {},
    // A script may send anything by this name, and what is no date cannot be shown.
    sent_on: Number.isNaN(Date.parse(String(data.sent_on))) ? new Date().toISOString() : String(data.sent_on)
  }
}
