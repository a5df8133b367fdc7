/**
 * What waits to be sent, in order. Nothing is dropped in silence: what could not be sent stays and can be tried again.
 *
 * One thing is under way at a time, so the server hears them in the order in which they were said. When the server
 * cannot be reached, the whole queue stands still until `run` is called, and for a while where it has no room; what the
 * server refuses for good (a 4xx) is set aside, so that it holds back nothing.
 */

import { signal, type Signal } from '@preact/signals'
import { isShown as isMessageShown } from '../messages'
import type { Message, Payload } from '../types'
import { CallFailed } from './api'
import { sameConversation } from './thread'

type Content =
  { kind: 'message' | 'event'; payload: Payload } | { kind: 'file'; file: File } | { kind: 'reference'; ref: string }

export type Letter = Content & {
  id: number
  state: LetterState
  sentOn: string
  /** Where it was said; null: wherever the visitor is when it is sent. */
  conversation: number | string | null
}

/** `sent`: the server has it, and its copy of the message is on the way. `refused`: trying again may help nothing. */
export type LetterState = 'waiting' | 'sent' | 'failed' | 'refused'

export interface Outbox {
  letters: Signal<readonly Letter[]>
  add(content: Content, conversation?: number | string | null): void
  /** Sends what waits or failed. */
  run(): void
  /** Tries what was refused once more, behind all others. */
  retry(id: number): void
  /**
   * A stored message came from the server: what it is the copy of is done. In a history the message may be an older one
   * with the same words, so there only what the server is known to have counts.
   */
  settle(message: Message, inHistory?: boolean): void
  /** What stands for a message in the list: the same before and after the server has it, so that nothing jumps. */
  keyOf(messageId: string): string
  clear(): void
}

/** About when what the server could not take is sent once more, in milliseconds. Not all clients at the same time. */
const AGAIN = 5000

export function openOutbox(deliver: (letter: Letter) => Promise<void>, now: () => number = () => Date.now()): Outbox {
  const letters = signal<readonly Letter[]>([])
  const keys = new Map<string, string>()
  let last = 0
  let running = false
  let again: ReturnType<typeof setTimeout> | undefined

  const change = (id: number, state: LetterState): void => {
    letters.value = letters.value.map(letter => (letter.id === id ? { ...letter, state } : letter))
  }
  const remove = (id: number): void => {
    letters.value = letters.value.filter(letter => letter.id !== id)
  }
  const waiting = (): Letter | undefined =>
    letters.value.find(letter => letter.state === 'waiting' || letter.state === 'failed')

  async function run(): Promise<void> {
    if (running) return
    running = true
    clearTimeout(again)
    again = undefined
    try {
      for (let letter = waiting(); letter; letter = waiting()) {
        if (letter.state === 'failed') change(letter.id, 'waiting')
        try {
          await deliver(letter)
          // Of an event nothing comes back; the copy of a message may have come before the answer.
          if (isShown(letter)) change(letter.id, 'sent')
          else remove(letter.id)
        } catch (error) {
          if (error instanceof CallFailed && (error.final || isTooMuch(letter, error))) {
            if (isShown(letter)) change(letter.id, 'refused')
            else remove(letter.id)
            console.warn(`nudge: the server refused a ${letter.kind}: ${error.message}`)
          } else {
            // All that wait look alike to the visitor: none of it is sent.
            letters.value = letters.value.map(one => (one.state === 'waiting' ? { ...one, state: 'failed' } : one))
            if (!(error instanceof CallFailed)) throw error
            // The server is there and has no room just now: no connection comes back that would begin again.
            if (error.status > 0) again ??= setTimeout(start, AGAIN * (0.5 + Math.random()))
            return
          }
        }
      }
    } finally {
      running = false
    }
  }
  const start = (): void => void run()

  return {
    letters,
    add(content, conversation = null) {
      last += 1
      letters.value = [
        ...letters.value,
        { ...content, id: last, state: 'waiting', sentOn: new Date(now()).toISOString(), conversation }
      ]
      start()
    },
    run: start,
    retry(id) {
      const refused = letters.value.find(letter => letter.id === id && letter.state === 'refused')
      if (refused) {
        letters.value = [...letters.value.filter(letter => letter.id !== id), { ...refused, state: 'waiting' }]
      }
      start()
    },
    settle(message, inHistory = false) {
      const copied = letters.value.find(letter => isCopy(letter, message) && (!inHistory || letter.state === 'sent'))
      if (!copied) return
      keys.set(message.id, idOf(copied))
      remove(copied.id)
    },
    keyOf: id => keys.get(id) ?? id,
    clear() {
      letters.value = []
    }
  }
}

/** A file too many for this hour (429) or for the disk (507): words that wait behind it could wait for ever. */
const isTooMuch = ({ kind }: Letter, { status }: CallFailed): boolean =>
  kind === 'file' && (status === 429 || status === 507)

/** Whether the visitor sees it in the list while it is under way: what is shown when the server has it, and has words. */
export function isShown(letter: Letter): boolean {
  if (letter.kind === 'file') return true
  return letter.kind === 'message' && typeof letter.payload.text === 'string' && isMessageShown(messageOf(letter, 'me'))
}

/** The server stores what it was given: the same type with the same text, or a file of the same name. */
function isCopy(letter: Letter, message: Message): boolean {
  if (letter.kind === 'file') {
    return (
      message.message_type === 'file' && String(message.payload.originalName ?? letter.file.name) === letter.file.name
    )
  }
  if (letter.kind !== 'message') return false
  const { type, text } = letter.payload
  return message.message_type === (type ?? 'text') && (message.message_text ?? message.payload.text) === text
}

/** The id of a letter among messages. */
export const idOf = (letter: Letter): string => `letter-${letter.id}`

/** What the visitor sees under way in a conversation. */
export const shownLetters = (letters: readonly Letter[], conversation: number | string | null): readonly Letter[] =>
  letters.filter(
    letter => isShown(letter) && (letter.conversation === null || sameConversation(letter.conversation, conversation))
  )

/** A letter as the message it will be. */
export function messageOf(letter: Letter, visitor: string): Message {
  const payload: Payload =
    letter.kind === 'file'
      ? { type: 'text', text: letter.file.name }
      : letter.kind === 'reference'
        ? { type: 'visit' }
        : letter.payload
  return {
    id: idOf(letter),
    conversationId: '',
    userId: visitor,
    full_name: '',
    message_type: payload.type ?? 'text',
    message_text: typeof payload.text === 'string' ? payload.text : null,
    payload,
    sent_on: letter.sentOn
  }
}
