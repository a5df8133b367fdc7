/** The chat: brings visitor, conversation, realtime, outbox and page together. What the components call is here. */

import { isShown as isSeen } from '../messages'
import { formatSize } from '../messages/file'
import type { Message, Payload } from '../types'
import { CallFailed, issueVisitor, openApi, readInfo, routesOf, type Api } from './api'
import { isShown, openOutbox, type Letter, type Outbox } from './outbox'
import type { Page } from './page'
import { openSession, type Session } from './session'
import type { Connect } from './socket'
import type { Store, View } from './store'
import { isFromBot } from './thread'
import { findVisitor, forgetVisitor, openStorage } from './visitor'

/** How long a lost connection stays unsaid, in milliseconds: most are back before. */
const QUIET = 4000
/** How long a notice stays, in milliseconds. */
const NOTICE = 5000
/** How much of what was said the arrow keys bring back. */
const REMEMBERED = 50
/** Waits before a visitor is asked for again, in milliseconds. */
const FIRST_WAIT = 1000
const LONGEST_WAIT = 30_000

export interface Chat {
  store: Store
  outbox: Outbox
  /** Says what the visitor has written. */
  say(text: string): void
  send(payload: Payload): void
  sendEvent(payload: Payload): void
  upload(file: File): void
  open(focus: boolean): void
  close(): void
  show(view: View): void
  load(id: number | string): void
  begin(): void
  reset(): void
  download(): void
  notify(text: string): void
  /** Takes over a configuration that names another visitor. */
  visit(): void
}

export function openChat(store: Store, page: Page, connect: Connect, sound: () => void): Chat {
  const { config, options } = store
  const routes = routesOf(options.root, options.botId)
  let current: { api: Api; session: Session; end(): void } | undefined
  /** Grows with every visitor: what was begun for an earlier one ends in silence. */
  let turn = 0
  let connected = false
  let startConnection = (): void => {}
  let ready: Promise<void> = Promise.resolve()
  let noticeTimer: ReturnType<typeof setTimeout> | undefined

  const outbox = openOutbox(deliver)

  async function deliver(letter: Letter): Promise<void> {
    let mine: number
    do {
      mine = turn
      await ready
    } while (mine !== turn)
    if (!current) throw new CallFailed(0, 'the visitor is not known yet')
    const { api, session } = current
    const visible = isShown(letter)
    // The one who said it is gone, and the outbox was cleared while this waited.
    if (visible && !outbox.letters.value.some(one => one.id === letter.id)) return
    // A visit alone is no reason: every page has one.
    if (letter.kind !== 'message' || letter.payload.type !== 'visit') startConnection()
    if (visible && letter.conversation === null && session.isStale()) await session.begin()
    const conversation = letter.conversation ?? store.conversation.value
    switch (letter.kind) {
      case 'message':
        return api.message(letter.payload, conversation)
      case 'event':
        return api.event(letter.payload)
      case 'file':
        return api.file(letter.file, conversation ?? (await session.begin())).catch(refused)
      case 'reference':
        return api.reference(conversation, letter.ref)
    }
  }

  /** Says why a file was not taken, where trying again at once helps nothing. */
  function refused(error: unknown): never {
    const status = error instanceof CallFailed ? error.status : 0
    if (status === 413) tooLarge()
    else if (status === 429 || status === 507) notify(store.t.value('upload.full'))
    throw error
  }

  const tooLarge = (): void =>
    notify(store.t.value('upload.large', { size: formatSize(store.limits.file, store.locale.value) }))

  /** Where something is said now: a conversation heard too long ago makes way for a new one, if the server says so. */
  const here = (): number | string | null => (current?.session.isStale() ? null : store.conversation.value)

  /** Finds out who visits, and begins. Runs again when the page names another visitor. */
  function visit(): void {
    turn += 1
    const mine = turn
    const gone = (): boolean => mine !== turn
    const before = store.visitor.value
    if (before && before.id !== String(config.value.userId)) {
      // What the one before did not get through is not said in another one's name.
      outbox.clear()
      // Nor does the next one get to see it, by the arrow keys for instance: somebody else may sit there.
      store.said.value = []
      store.draft.value = ''
      store.notice.value = ''
      store.confirming.value = false
    }
    current?.end()
    current = undefined
    store.refused.value = false
    store.visitor.value = undefined
    store.conversation.value = null
    store.messages.value = []
    store.conversations.value = []
    store.unread.value = 0
    store.unreadElsewhere.value = false
    store.teaser.value = undefined
    store.loading.value = true
    ready = begin(gone)
  }

  async function begin(gone: () => boolean): Promise<void> {
    const keep = openStorage(config.value.useSessionStorage === true)
    const visitor = await insist(gone, () => findVisitor(config.value, keep, () => issueVisitor(routes)))
    if (!visitor || gone()) return
    const api = openApi(routes, visitor, () => config.value.externalAuthToken)
    let lost = false
    let trouble = false
    const tell = (): void => void (store.offline.value = lost || trouble)
    const session = openSession(store, api, {
      fresh,
      history: messages => messages.forEach(message => isFromBot(message) || outbox.settle(message, true)),
      trouble(is) {
        trouble = is
        tell()
      },
      event: data => page.post(data)
    })
    let disconnect: (() => void) | undefined
    let quiet: ReturnType<typeof setTimeout> | undefined
    current = {
      api,
      session,
      end() {
        clearTimeout(quiet)
        disconnect?.()
        session.end()
      }
    }
    startConnection = () => {
      if (gone() || disconnect) return
      disconnect = connect(options.root, visitor, {
        async connected() {
          clearTimeout(quiet)
          quiet = undefined
          connected = true
          await session.catchUp()
          if (gone() || !connected) return
          lost = false
          tell()
          // What failed meanwhile and is not among what the server has is sent now.
          outbox.run()
        },
        lost() {
          connected = false
          quiet ??= setTimeout(() => {
            lost = true
            tell()
          }, QUIET)
        },
        heard: event => session.hear(event)
      })
    }
    store.visitor.value = visitor
    page.post({ userId: visitor.id })
    if (!config.value.lazySocket || store.open.value) startConnection()
    const accepted = await session.start(config.value.conversationId)
    if (gone()) return
    if (!accepted) {
      current.end()
      current = undefined
      if (config.value.userId) {
        store.loading.value = false
        store.refused.value = true
        console.warn(
          `nudge: the server does not take the secret of the visitor "${visitor.id}": \`userSecret\` is missing or wrong`
        )
        return
      }
      // The server has a new key, say. What waits to be sent is sent by the new visitor.
      forgetVisitor(config.value, keep)
      store.visitor.value = undefined
      // Not at once: a server that refuses everybody is not to be asked for ever new visitors.
      await new Promise(resolve => setTimeout(resolve, FIRST_WAIT))
      if (!gone()) visit()
      return
    }
    store.loading.value = false
    page.post({ name: 'webchatReady' })
    const isNew = store.conversation.value === null
    void informed.then(() => {
      if (isNew && !gone() && store.info.value?.showBotInfoPage) store.view.value = 'info'
    })
  }

  /** Tries until it succeeds: without it there is no chat. */
  async function insist<T>(gone: () => boolean, task: () => Promise<T>): Promise<T | undefined> {
    for (let wait = FIRST_WAIT; !gone(); wait = Math.min(wait * 2, LONGEST_WAIT)) {
      try {
        return await task()
      } catch (error) {
        console.warn('nudge: the chat cannot reach its server, and tries again', error)
        if (wait > FIRST_WAIT) store.offline.value = true
        await new Promise(resolve => setTimeout(resolve, wait))
      }
    }
    return undefined
  }

  function fresh(message: Message, shown: boolean): void {
    if (!isFromBot(message)) {
      outbox.settle(message)
      return
    }
    if (!isSeen(message)) return
    const seen = store.open.value && !document.hidden
    if (!seen) sound()
    if (store.open.value) {
      if (shown) return
      // Where there is no list to go to, the chat goes where the bot is.
      if (config.value.showConversationsButton) store.unreadElsewhere.value = true
      else load(message.conversationId)
      return
    }
    store.unread.value += 1
    if (config.value.showTeaser !== false && !config.value.hideWidget) store.teaser.value = message
    // The bot speaks in a conversation of its own choice: that is what the visitor shall find.
    if (!shown) load(message.conversationId)
  }

  function load(id: number | string): void {
    void ready.then(() => current?.session.show(id)).then(() => (store.view.value = 'chat'))
  }

  /** Runs what may fail, and says so. */
  async function attempt(task: (current: { api: Api; session: Session }) => Promise<void>): Promise<void> {
    await ready
    try {
      if (current) await task(current)
    } catch (error) {
      console.warn('nudge:', error)
      notify(store.t.value('notice.failed'))
    }
  }

  function notify(text: string): void {
    clearTimeout(noticeTimer)
    store.notice.value = text
    noticeTimer = setTimeout(() => (store.notice.value = ''), NOTICE)
  }

  function open(focus: boolean): void {
    if (store.open.value) return
    store.focus.value = focus
    // What is new is seen at once, not after the page of the bot.
    if (store.unread.value > 0) store.view.value = 'chat'
    store.open.value = true
    store.unread.value = 0
    store.teaser.value = undefined
    startConnection()
    page.post({ name: 'webchatOpened' })
  }

  const chat: Chat = {
    store,
    outbox,
    say(text) {
      store.draft.value = ''
      store.said.value = [...store.said.value, text].slice(-REMEMBERED)
      outbox.add({ kind: 'message', payload: { type: 'text', text } }, here())
    },
    send: payload => outbox.add({ kind: 'message', payload }, here()),
    sendEvent: payload => outbox.add({ kind: 'event', payload }),
    upload: file => (file.size > store.limits.file ? tooLarge() : outbox.add({ kind: 'file', file }, here())),
    open,
    close() {
      store.confirming.value = false
      if (!store.open.value || options.fullscreen) return
      store.open.value = false
      page.post({ name: 'webchatClosed' })
    },
    show(view) {
      store.view.value = view
      if (view === 'conversations') {
        store.unreadElsewhere.value = false
        void attempt(({ session }) => session.refreshList())
      }
    },
    load,
    begin: () =>
      void attempt(async ({ session }) => {
        await session.begin()
        store.view.value = 'chat'
      }),
    reset: () =>
      void attempt(async ({ api }) => {
        const id = store.conversation.value
        if (id === null) return
        await api.reset(id)
        notify(store.t.value('notice.reset'))
      }),
    download: () =>
      void attempt(async ({ api }) => {
        const id = store.conversation.value
        if (id === null) return
        const { txt, name } = await api.transcript(id)
        save(name, txt)
      }),
    notify,
    visit
  }

  const informed = insist(
    () => false,
    async () => {
      store.info.value = await readInfo(routes)
    }
  )
  visit()
  // A visit is told once per load of the page, before anything the page asks for.
  // The server takes half hours.
  const timezone = Math.round(-new Date().getTimezoneOffset() / 30) / 2
  chat.send({ type: 'visit', text: 'User visit', timezone, language: language(store) })
  if (options.ref) outbox.add({ kind: 'reference', ref: options.ref })
  return chat
}

/** The server takes languages of two or three letters. */
const language = (store: Store): string => store.locale.value.split('-')[0] ?? 'en'

function save(name: string, text: string): void {
  const address = URL.createObjectURL(new Blob([text], { type: 'text/plain' }))
  const link = document.createElement('a')
  link.href = address
  link.download = name
  link.click()
  // The download has begun by then; the next task may take the address away.
  setTimeout(() => URL.revokeObjectURL(address), 0)
}
