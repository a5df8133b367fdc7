/** Realtime: what the server says to the namespace `/guest` of Socket.IO, and connections that come back by themselves. */

import { isRecord } from './config'
import { byPolling, byWebSocket, type Pipe } from './pipe'
import type { Visitor } from './visitor'

export interface Heard {
  /** `guest.webchat.message`, `guest.webchat.typing`, `guest.webchat.data`. */
  name: string
  data: Record<string, unknown>
}

export interface Listener {
  /** Connected, for the first time or again: whatever was sent meanwhile has to be fetched. */
  connected(): void
  lost(): void
  heard(event: Heard): void
}

/** Connects and stays connected; returns what ends it. */
export type Connect = (root: string, visitor: Visitor, listener: Listener) => () => void

/** Between two attempts, in milliseconds: at first, and at most. */
const SOON = 500
const LATEST = 10_000

/** Packets of Socket.IO, protocol 5, in the one namespace that is used here. */
const PLACE = '/guest,'
const CONNECT = '0'
const DISCONNECT = '1'
const EVENT = '2'
const REFUSED = '4'

export const connect: Connect = (root, visitor, listener) => {
  const address = `${root.replace(/\/$/, '')}/socket.io`
  const auth = { visitorId: visitor.id, visitorSecret: visitor.secret }
  let pipe: Pipe | undefined
  let timer: ReturnType<typeof setTimeout> | undefined
  let joined = false
  let failures = 0
  let polling = false

  const open = (): void => {
    clearTimeout(timer)
    pipe = (polling ? byPolling : byWebSocket)(address, { opened, packet, closed })
  }
  const opened = (): void => pipe?.send(CONNECT + PLACE + JSON.stringify(auth))
  const closed = (): void => {
    // Where WebSocket is blocked, or opens and breaks, requests do it; they may be what is broken, too.
    polling = !joined && !polling
    joined = false
    again()
  }
  const again = (): void => {
    listener.lost()
    // Thousands that lose a server at the same time do not come back at the same time.
    timer = setTimeout(open, Math.min(LATEST, SOON * 2 ** failures++) * (0.5 + Math.random() / 2))
  }
  const drop = (): void => {
    pipe?.close()
    pipe = undefined
    joined = false
  }
  const packet = (text: string): void => {
    const kind = text[0]
    if (!text.startsWith(PLACE, 1)) return
    const data = text.slice(1 + PLACE.length)
    if (kind === CONNECT) {
      joined = true
      failures = 0
      listener.connected()
    } else if (kind === EVENT) {
      const [name, event] = JSON.parse(data) as unknown[]
      if (name === 'event' && isRecord(event) && typeof event.name === 'string' && isRecord(event.data)) {
        listener.heard({ name: event.name, data: event.data })
      }
    } else if (kind === REFUSED || kind === DISCONNECT) {
      drop()
      again()
    }
  }
  // A device that wakes up or finds its network again does not wait.
  const now = (): void => {
    if (joined) return
    drop()
    open()
  }
  addEventListener('online', now)
  open()
  return () => {
    clearTimeout(timer)
    removeEventListener('online', now)
    drop()
  }
}
