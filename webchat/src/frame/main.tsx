/** The app in the frame. */

import { render } from 'preact'
import { answer } from './calls'
import { openChat, type Chat } from './chat'
import { readOptions } from './config'
import { expose } from './expose'
import { openPage } from './page'
import { App } from './parts/App'
import { connect } from './socket'
import { openSound } from './sound'
import { limitsOf, openStore } from './store'
import { dress } from './surface'
import './default.css'
import './styles/frame.css'
import './styles/button.css'
import './styles/panel.css'
import './styles/messages.css'
import './styles/views.css'

const store = openStore(
  readOptions(location.href, window.parent === window),
  navigator.language,
  limitsOf(document.documentElement.dataset)
)
let chat: Chat | undefined
const page = openPage(
  window,
  () => store.config.value.chatId,
  call => {
    // Messages come as tasks: by then everything below has run.
    if (chat) answer(chat, page, call)
  }
)
page.post({ name: 'webchatLoaded' })
const sound = openSound(window, () => store.config.value.disableNotificationSound === true)
chat = openChat(store, page, connect, sound)
expose(store, window)
dress(store, page, window)
render(<App chat={chat} />, document.body)
