/** Talks with the page around the frame. */

import type { ToFrame, ToPage } from '../protocol'
import { isRecord } from './config'

export interface Page {
  post(message: ToPage | Record<string, unknown>): void
}

/**
 * Where messages to the page may go. Browsers tell the frame which page holds it unless the page forbids that; then
 * anyone may be there, and nothing that is posted is secret: ids and messages of the visitor who looks at that page.
 */
export function originOf(referrer: string): string {
  try {
    const { origin } = new URL(referrer)
    return origin === 'null' ? '*' : origin
  } catch {
    return '*'
  }
}

/** Listens to the page that holds this frame, and to nobody else. */
export function openPage(view: Window, chatId: () => string | undefined, called: (call: ToFrame) => void): Page {
  const parent = view.parent
  if (parent === view) return { post() {} }
  const origin = originOf(view.document.referrer)
  view.addEventListener('message', event => {
    if (event.source !== parent) return
    const call = readCall(event.data)
    if (call) called(call)
  })
  return {
    post(message) {
      const id = chatId()
      parent.postMessage(id === undefined ? message : { ...message, chatId: id }, origin)
    }
  }
}

/** Pages may post anything: only the calls of the protocol are taken. */
export function readCall(data: unknown): ToFrame | undefined {
  if (!isRecord(data) || !isRecord(data.payload)) return undefined
  switch (data.action) {
    case 'configure':
    case 'mergeConfig':
    case 'event':
    case 'sendPayload':
      return { action: data.action, payload: data.payload }
    default:
      return undefined
  }
}
