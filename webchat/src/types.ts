/** What the server and the page say about a chat. Names and shapes are the server's (`docs/http.md`). */

/** A payload, of the bot or of the visitor. Its keys depend on its type; nothing of it can be trusted. */
export interface Payload {
  type?: string
  [key: string]: unknown
}

/** A stored message. */
export interface Message {
  /** A UUID. */
  id: string
  /** A number in messages of the visitor, the same as text in those of the bot: compare with `==`. */
  conversationId: number | string
  /** The visitor; missing or null where the bot is the author. */
  userId?: string | null
  full_name: string
  avatar_url?: string | null
  message_type: string
  message_text?: string | null
  message_raw?: unknown
  message_data?: unknown
  payload: Payload
  /** ISO date. */
  sent_on: string
}

/** A row of the list of conversations. */
export interface ConversationRow {
  id: number
  title: string
  created_on: string
  last_heard_on: string | null
  message_type?: string | null
  message_text?: string | null
  message_author?: string | null
  message_author_avatar?: string | null
  message_sent_on?: string | null
}

/** A conversation with its last messages, oldest first. */
export interface Conversation {
  id: number
  userId: string
  botId: string
  title: string
  created_on: string
  last_heard_on: string | null
  messages: Message[]
}

/** `GET /botInfo`. */
export interface BotInfo {
  showBotInfoPage: boolean
  name: string
  description: string
  details: {
    website?: string
    phoneNumber?: string
    termsConditions?: string
    privacyPolicy?: string
    emailAddress?: string
    avatarUrl?: string
    coverPictureUrl?: string
  }
}

/** What a page may configure. Keys beyond these are kept and ignored. */
export interface Config {
  host?: string
  botId?: string
  chatId?: string
  botName?: string
  botConvoDescription?: string
  avatarUrl?: string
  className?: string
  composerPlaceholder?: string
  containerWidth?: number | string
  layoutWidth?: number | string
  conversationId?: number | string
  locale?: string
  ref?: string
  userId?: string
  /** Ours: the secret of `userId`, made by the page's own back end. */
  userSecret?: string
  userIdScope?: string
  externalAuthToken?: string
  stylesheet?: string
  extraStylesheet?: string
  viewMode?: 'Embedded' | 'Fullscreen'
  hideWidget?: boolean
  showTimestamp?: boolean
  showPoweredBy?: boolean
  showUserName?: boolean
  showUserAvatar?: boolean
  showConversationsButton?: boolean
  enableReset?: boolean
  enableTranscriptDownload?: boolean
  enableConversationDeletion?: boolean
  enableArrowNavigation?: boolean
  enablePersistHistory?: boolean
  enableResetSessionShortcut?: boolean
  enableVoiceComposer?: boolean
  closeOnEscape?: boolean
  disableAnimations?: boolean
  disableNotificationSound?: boolean
  exposeStore?: boolean
  lazySocket?: boolean
  useSessionStorage?: boolean
  overrides?: unknown
  /** Ours: `light`, `dark`, or `auto` (the visitor's system; the default). */
  theme?: 'light' | 'dark' | 'auto'
  /** Ours: whether a message that comes while the chat is closed is shown beside the button. Default true. */
  showTeaser?: boolean
  [key: string]: unknown
}

/** Looks up a text of the interface; `{name}` in it is replaced. */
export type Translate = (key: string, values?: Record<string, string | number>) => string
