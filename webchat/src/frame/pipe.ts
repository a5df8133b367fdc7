/**
 * Engine.IO 4, as much of it as a listener needs: packets of text over a WebSocket, or over requests that wait where proxies
 * swallow WebSockets. The client of Socket.IO does the same and much more; it would take a fifth of what the frame may weigh.
 */

/** A connection. */
export interface Pipe {
  send(packet: string): void
  /** Ends it; its `closed` is not called for that. */
  close(): void
}

export interface Ends {
  /** It is there, and packets may be sent. */
  opened(): void
  /** A packet of Socket.IO came. */
  packet(text: string): void
  /** It has ended, or never came up. Called at most once. */
  closed(): void
}

/** How long a connection may take to come up, in milliseconds. */
const OPENING = 6000
/** Between two packets of a request that waits. */
const SEPARATOR = '\x1e'

/** What the packets of Engine.IO begin with. */
const OPEN = '0'
const PING = '2'
const PONG = '3'
const MESSAGE = '4'
const NOOP = '6'

/** What both ways have in common: the first packet, the pings, and that silence is an end. */
function engine(ends: Ends, raw: (packet: string) => void, stop: () => void) {
  let over = false
  let silence = OPENING
  let timer: ReturnType<typeof setTimeout>
  const end = (): boolean => {
    if (over) return false
    over = true
    clearTimeout(timer)
    stop()
    return true
  }
  const closed = (): void => {
    if (end()) ends.closed()
  }
  const listen = (): void => {
    clearTimeout(timer)
    timer = setTimeout(closed, silence)
  }
  listen()
  return {
    closed,
    take(packet: string): void {
      if (over) return
      const kind = packet[0]
      if (kind === OPEN) {
        const { pingInterval, pingTimeout } = JSON.parse(packet.slice(1)) as Record<string, number>
        silence = (pingInterval ?? 0) + (pingTimeout ?? 0) || OPENING
        ends.opened()
      } else if (kind === PING) raw(PONG)
      else if (kind === MESSAGE) ends.packet(packet.slice(1))
      // What is none of these does not come from our server: a proxy or a network's login page answers for it, and at once,
      // so that asking on would be a flood. An empty answer to a request that waited is the end as well.
      else if (kind !== NOOP) closed()
      if (!over) listen()
    },
    pipe: { send: packet => raw(MESSAGE + packet), close: () => void end() } satisfies Pipe as Pipe
  }
}

/** Over a WebSocket. `address` is that of the server's `/socket.io`, with http or https. */
export function byWebSocket(address: string, ends: Ends): Pipe {
  // Browsers warn in the page's console of one that is closed before it is there. One that takes too long is closed all the
  // same: the next one would have to wait for it.
  let unwanted = false
  const socket = new WebSocket(`${address.replace(/^http/, 'ws')}/?EIO=4&transport=websocket`)
  const { take, closed, pipe } = engine(
    ends,
    packet => {
      if (socket.readyState === WebSocket.OPEN) socket.send(packet)
    },
    () => {
      if (unwanted && socket.readyState === WebSocket.CONNECTING) socket.onopen = () => socket.close()
      else socket.close()
    }
  )
  socket.onmessage = ({ data }) => take(String(data))
  socket.onclose = closed
  return {
    send: pipe.send,
    close() {
      unwanted = true
      pipe.close()
    }
  }
}

/** Over requests: one waits for packets, others send some. */
export function byPolling(address: string, ends: Ends): Pipe {
  const stopped = new AbortController()
  let url = `${address}/?EIO=4&transport=polling`
  let sending = Promise.resolve()
  const ask = async (init: RequestInit = {}): Promise<string> => {
    const response = await fetch(url, { ...init, signal: stopped.signal, credentials: 'omit', cache: 'no-store' })
    if (!response.ok) throw new Error(`${response.status}`)
    return response.text()
  }
  const { take, closed, pipe } = engine(
    ends,
    // One request at a time, so that packets keep their order.
    packet => void (sending = sending.then(() => ask({ method: 'POST', body: packet }).then(() => {}, closed))),
    () => stopped.abort()
  )
  const poll = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      for (const packet of (await ask()).split(SEPARATOR)) {
        if (packet[0] === OPEN) url += `&sid=${encodeURIComponent(JSON.parse(packet.slice(1)).sid)}`
        take(packet)
      }
    }
  }
  poll().catch(closed)
  return pipe
}
