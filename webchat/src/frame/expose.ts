/** `window.webchat_store`, for pages that ask for it with `exposeStore`: what is shown, to look at. */

import { effect } from '@preact/signals'
import type { Config, Message } from '../types'
import type { Store } from './store'

export interface ExposedStore {
  readonly userId: string | undefined
  readonly conversationId: number | string | null
  readonly messages: readonly Message[]
  readonly isOpen: boolean
  readonly view: string
  readonly unread: number
  readonly config: Config
  /** Calls back now and whenever one of the above has changed; returns what ends it. */
  subscribe(listener: (store: ExposedStore) => void): () => void
}

export function expose(store: Store, view: Window): void {
  const exposed: ExposedStore = {
    get userId() {
      return store.visitor.value?.id
    },
    get conversationId() {
      return store.conversation.value
    },
    get messages() {
      return store.messages.value
    },
    get isOpen() {
      return store.open.value
    },
    get view() {
      return store.view.value
    },
    get unread() {
      return store.unread.value
    },
    get config() {
      return store.config.value
    },
    subscribe: listener =>
      effect(() => {
        // Reading them is what subscribes.
        void Object.values(exposed)
        listener(exposed)
      })
  }
  const target = view as Window & { webchat_store?: ExposedStore }
  effect(() => {
    if (store.config.value.exposeStore) target.webchat_store = exposed
    else delete target.webchat_store
  })
}
