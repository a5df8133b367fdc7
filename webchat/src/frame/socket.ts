/** Realtime: what the server sends by Socket.IO. */

import { io } from 'socket.io-client'
import { isRecord } from './config'
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

/** Waits before a connection that the server ended or refused is tried again, in milliseconds. */
const AFTER_REFUSAL = 10_000

export const connect: Connect = (root, visitor, listener) => {
  const { origin, pathname } = new URL(root)
  const socket = io(`${origin}/guest`, {
    path: `${pathname.replace(/\/$/, '')}/socket.io`,
    transports: ['websocket', 'polling'],
    // Where WebSocket is blocked, the next transport is tried.
    tryAllTransports: true,
    forceNew: true,
    reconnectionDelayMax: 10_000,
    query: visitor.secret ? { visitorId: visitor.id, visitorSecret: visitor.secret } : { visitorId: visitor.id }
  })
  let timer: ReturnType<typeof setTimeout> | undefined
  // The client tries again by itself, but not what the server refused or ended.
  const againLater = (): void => {
    if (socket.active) return
    clearTimeout(timer)
    timer = setTimeout(() => socket.connect(), AFTER_REFUSAL)
  }
  // A device that wakes up or finds its network again does not wait.
  const now = (): void => {
    if (!socket.connected) socket.disconnect().connect()
  }
  addEventListener('online', now)
  socket.on('connect', () => listener.connected())
  socket.on('disconnect', () => {
    listener.lost()
    againLater()
  })
  socket.on('connect_error', () => {
    listener.lost()
    againLater()
  })
  socket.on('event', (event: unknown) => {
    if (isRecord(event) && typeof event.name === 'string' && isRecord(event.data)) {
      listener.heard({ name: event.name, data: event.data })
    }
  })
  return () => {
    clearTimeout(timer)
    removeEventListener('online', now)
    socket.removeAllListeners()
    socket.disconnect()
  }
}
