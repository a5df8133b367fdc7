/** What a page (`src/inject`) and the frame (`src/frame`) say to each other by `postMessage`. */

import type { Config, Payload } from './types'

/** Page to frame: the calls of `window.botpressWebChat`. */
export type ToFrame =
  | { action: 'configure'; payload: Config }
  | { action: 'mergeConfig'; payload: Config }
  | { action: 'event'; payload: Payload }
  | { action: 'sendPayload'; payload: Payload }

/**
 * Frame to page. Besides these, every realtime event goes to the page as its bare data (a stored message, …) with
 * `chatId`: pages listen for those.
 */
export type ToPage =
  | { userId: string; chatId?: string }
  | { type: 'setClass'; value: string; chatId?: string }
  | { type: 'setWidth'; value: string | number; chatId?: string }
  | { name: LifeEvent; chatId?: string }

/** `webchatLoaded`: the app runs and takes calls. `webchatReady`: visitor and conversation are known. */
export type LifeEvent = 'webchatLoaded' | 'webchatReady' | 'webchatOpened' | 'webchatClosed' | 'configChanged'
