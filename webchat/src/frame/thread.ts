/** The messages of a conversation: plain data and pure functions. */

import type { ConversationRow, Message } from '../types'

/** Ids of conversations are numbers here and text there: `12` and `"12"` are one conversation. */
export const sameConversation = (one: number | string | null, other: number | string | null): boolean =>
  one !== null && other !== null && String(one) === String(other)

/**
 * Lays `page`, a stretch of the conversation in the server's order, over what is there. What is there stays where it is; what is
 * new comes before whatever the page has behind it, and else behind everything. A message that was heard is a page of one.
 */
export function merge(messages: readonly Message[], page: readonly Message[]): readonly Message[] {
  const places = new Map(messages.map(({ id }, at) => [id, at]))
  const merged = [...messages]
  let place = merged.length
  // From its end on, so that the places before stay what they are.
  for (const message of [...page].reverse()) {
    const known = places.get(message.id)
    if (known === undefined) {
      places.set(message.id, place)
      merged.splice(place, 0, message)
    } else place = Math.min(place, known)
  }
  return merged.length === messages.length ? messages : merged
}

/** The last message the server will know when asked for those after it: visits are left out of histories. */
export function lastSeen(messages: readonly Message[]): string | undefined {
  for (let at = messages.length - 1; at >= 0; at--) {
    const message = messages[at]
    if (message && message.message_type !== 'visit') return message.id
  }
  return undefined
}

/**
 * What is known with everything that came after it, read page by page until one brings nothing new. `page` gives the messages
 * from the time of one on, that one among them, oldest first: what has the same time may stand before it.
 */
export async function readOn(
  known: readonly Message[],
  page: (after: string | undefined) => Promise<readonly Message[]>
): Promise<readonly Message[]> {
  for (let all = known, after = lastSeen(known); ;) {
    const found = await page(after)
    const next = merge(all, found)
    if (next === all) return all
    all = next
    after = lastSeen(found)
  }
}

/** Messages in a row of one author, on one day, without a long pause. */
export interface Group {
  /** The first message's id. */
  key: string
  fromBot: boolean
  /** The day begins here. */
  day?: Date
  messages: Message[]
}

/** A pause after which a new group begins, in milliseconds. */
const PAUSE = 5 * 60_000

export const isFromBot = (message: Message): boolean => !message.userId

export function group(messages: readonly Message[]): Group[] {
  const groups: Group[] = []
  let before: Message | undefined
  for (const message of messages) {
    const at = new Date(message.sent_on)
    const current = groups[groups.length - 1]
    const newDay = !before || new Date(before.sent_on).toDateString() !== at.toDateString()
    const goesOn =
      current !== undefined &&
      before !== undefined &&
      !newDay &&
      current.fromBot === isFromBot(message) &&
      (!isFromBot(message) || before.full_name === message.full_name) &&
      at.getTime() - new Date(before.sent_on).getTime() < PAUSE
    if (goesOn) current.messages.push(message)
    else
      groups.push({ key: message.id, fromBot: isFromBot(message), day: newDay ? at : undefined, messages: [message] })
    before = message
  }
  return groups
}

/** The groups of the last `count` messages. One that is cut keeps its key: its element stays when the rest of it comes. */
export function tail(groups: readonly Group[], count: number): Group[] {
  const kept: Group[] = []
  for (let at = groups.length - 1; at >= 0 && count > 0; at--) {
    const one = groups[at]!
    kept.unshift({ ...one, messages: one.messages.slice(-count) })
    count -= one.messages.length
  }
  return kept
}

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_557_600 }

/** `6 hours`, `30m`, `1 day` in milliseconds; what cannot be read is six hours, the server's default. */
export function milliseconds(text: string): number {
  const [, count, unit] = /^\s*([\d.]+)\s*([a-z]*)/i.exec(text) ?? []
  if (!count) return 6 * 3600_000
  if (!unit || /^ms|^milli/i.test(unit)) return Number(count)
  return Number(count) * (UNITS[unit[0]?.toLowerCase() ?? 'h'] ?? 3600) * 1000
}

/** When something was last heard in a conversation. */
const heard = (row: ConversationRow): number => Date.parse(row.last_heard_on ?? row.created_on)

/** The conversation that goes on: the one heard last, unless that is too long ago. `rows` in any order. */
export function recent(rows: readonly ConversationRow[], lifetime: number, now: number): ConversationRow | undefined {
  const newest = [...rows].sort((one, other) => heard(other) - heard(one) || other.id - one.id)[0]
  return newest && now - heard(newest) <= lifetime ? newest : undefined
}
