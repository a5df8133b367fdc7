/** `window.webchat_store`. */
// @vitest-environment jsdom

import { expect, test } from 'vitest'
import { complete } from './config'
import { expose, type ExposedStore } from './expose'
import { openStore } from './store'

const target = window as Window & { webchat_store?: ExposedStore }

test('the store is there when the page asks for it, and tells of changes', () => {
  const store = openStore({ root: '', botId: 'b', config: complete({}), fullscreen: false, pageDirection: 'ltr' }, 'en')
  expose(store, window)
  expect(target.webchat_store).toBeUndefined()
  store.config.value = { ...store.config.value, exposeStore: true }
  const seen: unknown[] = []
  const end = target.webchat_store!.subscribe(({ isOpen, unread, conversationId }) =>
    seen.push([isOpen, unread, conversationId])
  )
  store.open.value = true
  store.conversation.value = 7
  end()
  store.unread.value = 3
  expect(seen).toEqual([
    [false, 0, null],
    [true, 0, null],
    [true, 0, 7]
  ])
  store.config.value = { ...store.config.value, exposeStore: false }
  expect(target.webchat_store).toBeUndefined()
})
