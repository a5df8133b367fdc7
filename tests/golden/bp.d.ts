// What scripts see, for editors and type checkers. Made by `nudge types`; make it anew instead of editing it.
//
// Save it as bp.d.ts in the workspace, with this jsconfig.json beside it:
//
//   {
//     "compilerOptions": { "target": "es2022", "lib": ["es2022"], "module": "esnext", "moduleDetection": "force", "types": [] },
//     "include": ["bp.d.ts", "hooks", "actions", "content-types", "bots/*/hooks", "bots/*/actions"]
//   }
//
// and `// @ts-check` on the first line of a script that is to be checked.

/** Who something goes to. An event serves as one. */
interface Destination {
  /** `web`, `api` or a channel of your own. */
  channel: string
  /** The user on that channel. */
  target: string
  botId: string
  /** The conversation, where the channel has threads. */
  threadId?: string
}

/** What a channel understands, e.g. `{ type: 'text', text: 'Hello' }`. A payload without a type is a `default` one: text on `web`. */
interface Payload {
  type?: string
  text?: string
  [key: string]: any
}

/** What the understanding of a text brought forth; without an NLU these are the defaults. */
interface Understanding {
  language: string
  entities: any[]
  slots: { [name: string]: any }
  intent: { name: string, confidence: number, context: string }
  intents: any[]
  errored: boolean
  includedContexts: string[]
  [key: string]: any
}

/** One of several things the bot might say to this event; the best one is sent. */
interface Suggestion {
  /** From 0 to 1. */
  confidence: number
  payloads: Payload[]
  source: string
  sourceDetails?: string
  /** Set when the suggestions are ranked. */
  decision?: { status: 'elected' | 'dropped', reason: string }
}

/** A turn of the session: what the bot said and why. */
interface Turn {
  eventId: string
  incomingPreview: string
  replySource: string
  replyPreview?: string
  replyConfidence: number
  replyDate: string
}

interface EventState {
  /** Attributes of the user, on all bots; `null` removes one. */
  user: { language?: string, timezone?: number, [key: string]: any }
  /** Kept while the user is heard from; `lastMessages` holds at most 5 turns and is empty in a new session. */
  session: { lastMessages: Turn[], [key: string]: any }
  /** Kept until the dialog ends. */
  temp: { [key: string]: any }
  /** Variables of the bot: the value `global` of `bp.kvs`. Changes here are dropped. */
  bot: { [key: string]: any }
  /** Where the dialog stands. */
  context: { currentFlow?: string, currentNode?: string, [key: string]: any }
}

interface EventBase extends Destination {
  /** Sortable and unique: a decimal number as text. */
  id: string
  /** `text`, `quick_reply`, `visit`, `proactive-trigger`, anything. */
  type: string
  /** The channel's own object. */
  payload: any
  /** The payload as text. */
  preview: string
  createdOn: Date
  flags: { [flag: symbol]: boolean }
  nlu: Understanding
  /** Sets a flag such as `bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE`, or takes it away. */
  setFlag(flag: symbol, value: boolean): void
  hasFlag(flag: symbol): boolean
  /** Whatever a hook puts on the event is there, by identity, in the next one. */
  [key: string]: any
}

interface IncomingEvent extends EventBase {
  direction: 'incoming'
  state: EventState
  suggestions: Suggestion[]
  credentials?: any
  /** The elected suggestion, or the default. */
  decision?: Suggestion
  /** Set it to leave the event to a human: nothing after the incoming middleware runs. */
  isPause?: boolean
}

interface OutgoingEvent extends EventBase {
  direction: 'outgoing'
  state: {}
  /** The event it answers. */
  incomingEventId?: string
}

type BotEvent = IncomingEvent | OutgoingEvent

/** What `bp.IO.Event` makes an event of. */
interface EventDraft extends Destination {
  type: string
  direction: 'incoming' | 'outgoing'
  payload?: any
  preview?: string
  id?: string
  suggestions?: Suggestion[]
  credentials?: any
  nlu?: Partial<Understanding>
  incomingEventId?: string
}

interface User {
  id: string
  channel: string
  attributes: { [key: string]: any }
  createdOn: string
  updatedOn: string
  otherChannels: any[]
}

/** What `bp.http.getAxiosConfigForBot` gives. */
interface AxiosConfig {
  baseURL: string
  headers: { Authorization: string }
}

/** A row of `bp.users.getAllUsers`. */
interface UserRow {
  channel: string
  user_id: string
  attributes: { [key: string]: any }
  created_at: string
  updated_at: string
}

interface ContentElement {
  /** `<content type>-<some letters>`. */
  id: string
  contentType: string
  formData: { [key: string]: any }
  /** What a list shows of it, by language. */
  previews: { [language: string]: string }
  createdBy?: string
  createdOn?: string
  modifiedOn?: string
}

interface ContentType {
  id: string
  title: string
  group?: string
  description?: string
  jsonSchema?: object
  uiSchema?: object
  hidden?: boolean
  computePreviewText?(formData: any): string
  renderElement(data: any, channel: string): Payload | Payload[] | Promise<Payload | Payload[]>
}

/** Which elements `bp.cms.listContentElements` gives. */
interface ElementQuery {
  searchTerm?: string
  from?: number
  /** 50 unless given; -1 for all. */
  count?: number
  ids?: string[]
  sortOrder?: { column: string, desc?: boolean } | { column: string, desc?: boolean }[]
  filters?: { column: string, value: string }[]
}

/** `bot.config.json` with all its keys but secrets. */
interface BotConfig {
  id?: string
  name?: string
  description?: string
  disabled?: boolean
  private?: boolean
  defaultLanguage?: string
  languages?: string[]
  details?: { [key: string]: any }
  [key: string]: any
}

/** The members of `bp.kvs` for one bot: the same, without the first argument. */
interface ScopedKvs {
  get(key: string, path?: string | string[]): Promise<any>
  set(key: string, value: any, path?: string | string[] | null, expiry?: string | number): Promise<void>
  delete(key: string, path?: string | string[]): Promise<void>
  increment(key: string, by?: number, path?: string | string[]): Promise<number>
  exists(key: string): Promise<boolean>
  setStorageWithExpiry(key: string, value: any, expiry?: string | number): Promise<void>
  getStorageWithExpiry(key: string): Promise<any>
}

interface Logger {
  info(message: string, ...meta: any[]): void
  warn(message: string, ...meta: any[]): void
  error(message: string, ...meta: any[]): void
  debug(message: string, ...meta: any[]): void
  forBot(botId: string): Logger
  attachError(error: Error): Logger
  persist(keep: boolean): Logger
  level(level: number): Logger
}

/** An event for the pages of a visitor, or for administrators; `bp.realtime.sendPayload` sends it. */
interface RealTimePayload {
  /** In lower case. */
  eventName: string
  payload: any
}

/** What stands on `bp` beside its namespaces. */
interface BpConstants {
  /** The server's version. */
  readonly version: string
  readonly IO: {
    /** Makes an event; `new` may be left off. */
    readonly Event: { new (draft: EventDraft): BotEvent, (draft: EventDraft): BotEvent }
    readonly WellKnownFlags: {
      /** Neither the dialog nor `after_event_processed` hooks run, and the state is not stored. */
      readonly SKIP_DIALOG_ENGINE: symbol
      readonly SKIP_QNA_PROCESSING: symbol
      readonly SKIP_NATIVE_NLU: symbol
      /** Stores the state although the dialog is skipped. */
      readonly FORCE_PERSIST_STATE: symbol
    }
  }
  readonly LoggerLevel: { readonly Info: 'info', readonly Warn: 'warn', readonly Error: 'error', readonly Debug: 'debug' }
  readonly LogLevel: { readonly PRODUCTION: 0, readonly DEV: 1, readonly DEBUG: 2 }
  readonly NodeActionType: { readonly RenderElement: 'render', readonly RunAction: 'run', readonly RenderText: 'say' }
  readonly RealTimePayload: {
    new (eventName: string, payload: any): RealTimePayload
    /** For the pages of one visitor, who hear it as `guest.<eventName>`. */
    forVisitor(visitorId: string, eventName: string, payload: object): RealTimePayload
    /** For administrators. */
    forAdmins(eventName: string, payload: any): RealTimePayload
  }
}

// What every script sees.

declare function require(name: string): any
declare const module: { exports: any }
declare let exports: any
declare const __filename: string
declare const __dirname: string
/** Writes a value to the log. */
declare function printObject(value: any): void
declare const console: {
  log(...values: any[]): void
  info(...values: any[]): void
  warn(...values: any[]): void
  error(...values: any[]): void
  debug(...values: any[]): void
  trace(...values: any[]): void
  dir(value: any): void
  table(value: any): void
  assert(fine: any, ...values: any[]): void
  time(label?: string): void
  timeLog(label?: string): void
  timeEnd(label?: string): void
  count(label?: string): void
  group(...values: any[]): void
  groupEnd(): void
}
declare function setTimeout(callback: (...args: any[]) => void, milliseconds?: number, ...args: any[]): number
declare function setInterval(callback: (...args: any[]) => void, milliseconds?: number, ...args: any[]): number
declare function setImmediate(callback: (...args: any[]) => void, ...args: any[]): number
declare function clearTimeout(timer?: number): void
declare function clearInterval(timer?: number): void
declare function clearImmediate(timer?: number): void
declare const process: {
  /** The locale, the proxies, and every variable whose name begins with `EXPOSED_`. */
  readonly env: { readonly [name: string]: string | undefined }
  readonly HOST: string
  readonly PORT: number
  readonly EXTERNAL_URL: string
  readonly PROXY: string | null
  readonly ROOT_PATH: string
}
declare const global: any

// As in browsers and Node; bodies are whole, there are no streams.

interface AbortSignal {
  readonly aborted: boolean
  readonly reason: any
  onabort: ((event: any) => any) | null
  throwIfAborted(): void
  addEventListener(type: 'abort', listener: (event: any) => any): void
  removeEventListener(type: 'abort', listener: (event: any) => any): void
}
declare const AbortSignal: {
  abort(reason?: any): AbortSignal
  /** Aborts after so many milliseconds. */
  timeout(milliseconds: number): AbortSignal
  any(signals: Iterable<AbortSignal>): AbortSignal
}
declare class AbortController {
  readonly signal: AbortSignal
  abort(reason?: any): void
}
declare class Headers {
  constructor(init?: Headers | Iterable<[string, string]> | { [name: string]: string })
  append(name: string, value: string): void
  set(name: string, value: string): void
  delete(name: string): void
  get(name: string): string | null
  has(name: string): boolean
  getSetCookie(): string[]
  forEach(callback: (value: string, name: string, headers: Headers) => void): void
  keys(): IterableIterator<string>
  values(): IterableIterator<string>
  entries(): IterableIterator<[string, string]>
  [Symbol.iterator](): IterableIterator<[string, string]>
}
declare class Blob {
  constructor(parts?: Iterable<string | ArrayBuffer | ArrayBufferView | Blob>, options?: { type?: string })
  readonly size: number
  readonly type: string
  text(): Promise<string>
  arrayBuffer(): Promise<ArrayBuffer>
  bytes(): Promise<Uint8Array>
  slice(start?: number, end?: number, type?: string): Blob
}
declare class File extends Blob {
  constructor(parts: Iterable<string | ArrayBuffer | ArrayBufferView | Blob>, name: string, options?: { type?: string, lastModified?: number })
  readonly name: string
  readonly lastModified: number
}
declare class FormData {
  append(name: string, value: any, filename?: string): void
  set(name: string, value: any, filename?: string): void
  delete(name: string): void
  get(name: string): string | File | null
  getAll(name: string): (string | File)[]
  has(name: string): boolean
  forEach(callback: (value: string | File, name: string, form: FormData) => void): void
  keys(): IterableIterator<string>
  values(): IterableIterator<string | File>
  entries(): IterableIterator<[string, string | File]>
  [Symbol.iterator](): IterableIterator<[string, string | File]>
}
type BodyInit = string | ArrayBuffer | ArrayBufferView | URLSearchParams | FormData | Blob
interface HttpBody {
  readonly body: null
  readonly bodyUsed: boolean
  text(): Promise<string>
  json(): Promise<any>
  arrayBuffer(): Promise<ArrayBuffer>
  bytes(): Promise<Uint8Array>
  blob(): Promise<Blob>
  formData(): Promise<FormData>
}
interface RequestInit {
  method?: string
  headers?: Headers | Iterable<[string, string]> | { [name: string]: string }
  body?: BodyInit | null
  redirect?: 'follow' | 'error' | 'manual'
  signal?: AbortSignal | null
}
interface Request extends HttpBody {
  readonly url: string
  readonly method: string
  readonly headers: Headers
  readonly redirect: string
  readonly signal: AbortSignal
  clone(): Request
}
declare const Request: { new (input: string | URL | Request, init?: RequestInit): Request, readonly prototype: Request }
interface Response extends HttpBody {
  readonly status: number
  readonly ok: boolean
  readonly statusText: string
  readonly headers: Headers
  readonly url: string
  readonly redirected: boolean
  readonly type: string
  clone(): Response
}
declare const Response: {
  new (body?: BodyInit | null, init?: { status?: number, statusText?: string, headers?: RequestInit['headers'] }): Response
  readonly prototype: Response
  json(data: any, init?: { status?: number, statusText?: string, headers?: RequestInit['headers'] }): Response
}
/** Calls another server; rejects where no answer comes. Calls are at least once. */
declare function fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>
declare class URLSearchParams {
  constructor(init?: string | URLSearchParams | Iterable<[string, string]> | { [name: string]: any })
  readonly size: number
  append(name: string, value: any): void
  set(name: string, value: any): void
  delete(name: string, value?: any): void
  get(name: string): string | null
  getAll(name: string): string[]
  has(name: string, value?: any): boolean
  sort(): void
  forEach(callback: (value: string, name: string, params: URLSearchParams) => void): void
  keys(): IterableIterator<string>
  values(): IterableIterator<string>
  entries(): IterableIterator<[string, string]>
  [Symbol.iterator](): IterableIterator<[string, string]>
  toString(): string
}
declare class URL {
  constructor(url: string | URL, base?: string | URL)
  static canParse(url: string, base?: string | URL): boolean
  static parse(url: string, base?: string | URL): URL | null
  href: string
  readonly origin: string
  protocol: string
  username: string
  password: string
  host: string
  hostname: string
  port: string
  pathname: string
  search: string
  hash: string
  readonly searchParams: URLSearchParams
  toJSON(): string
}
declare class TextEncoder {
  readonly encoding: 'utf-8'
  encode(text?: string): Uint8Array
  encodeInto(text: string, target: Uint8Array): { read: number, written: number }
}
declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean, ignoreBOM?: boolean })
  readonly encoding: string
  readonly fatal: boolean
  readonly ignoreBOM: boolean
  decode(input?: ArrayBuffer | ArrayBufferView, options?: { stream?: boolean }): string
}

type BufferEncoding = 'utf8' | 'utf-8' | 'hex' | 'base64' | 'base64url' | 'latin1' | 'binary' | 'ascii' | 'ucs2' | 'utf16le'
/** Node's Buffer, as the npm package `buffer` has it: loaded when a script first touches it. */
declare class Buffer extends Uint8Array {
  static alloc(size: number, fill?: string | number | Uint8Array, encoding?: BufferEncoding): Buffer
  static allocUnsafe(size: number): Buffer
  static from(text: string, encoding?: BufferEncoding): Buffer
  static from(bytes: ArrayBuffer, offset?: number, length?: number): Buffer
  static from(bytes: Iterable<number> | ArrayLike<number>): Buffer
  static byteLength(text: string | ArrayBuffer | ArrayBufferView, encoding?: BufferEncoding): number
  static compare(a: Uint8Array, b: Uint8Array): -1 | 0 | 1
  static concat(list: readonly Uint8Array[], length?: number): Buffer
  static isBuffer(value: any): value is Buffer
  static isEncoding(encoding: string): encoding is BufferEncoding
  toString(encoding?: BufferEncoding, start?: number, end?: number): string
  toJSON(): { type: 'Buffer', data: number[] }
  equals(other: Uint8Array): boolean
  compare(other: Uint8Array): -1 | 0 | 1
  copy(target: Uint8Array, targetStart?: number, start?: number, end?: number): number
  write(text: string, offset?: number, length?: number, encoding?: BufferEncoding): number
  slice(start?: number, end?: number): Buffer
  subarray(start?: number, end?: number): Buffer
  [method: string]: any
}

/** lodash, as `require('lodash')` gives it. */
declare const _: any

// `bp`.

interface BpEvents {
  /** Sends payloads to the user, in order, each through the hooks `before_outgoing_middleware`. Calls keep their order whether or not they are awaited. */
  replyToEvent(destination: Destination, payloads: Payload[], incomingEventId?: string): Promise<void>
  /** Sends an event: an incoming one is stored and queued like one from outside, an outgoing one is delivered. */
  sendEvent(event: BotEvent | EventDraft): Promise<void>
}

interface BpCms {
  /** Renders a content element (`!id`) or a content type into the payloads of a channel. */
  renderElement(contentId: string, args: object, destination: Destination | string): Promise<Payload[]>
  /** Renders every string of a value as a mustache template. At once, without a promise. */
  renderTemplate<T>(item: T, context: object): T
  /** One of the bot's content elements; `undefined` if there is none of that id. */
  getContentElement(botId: string, id: string, language?: string): Promise<ContentElement | undefined>
  /** Several content elements; those that are not there are left out. */
  getContentElements(botId: string, ids: string[], language?: string): Promise<ContentElement[]>
  /** The bot's content elements, of one content type or of all; 50 unless `count` says otherwise. */
  listContentElements(botId: string, contentTypeId?: string, params?: ElementQuery, language?: string): Promise<ContentElement[]>
  /** The content types there are; with a bot, those that its `imports.contentTypes` names. */
  getAllContentTypes(botId?: string): Promise<ContentType[]>
  /** Keeps a file among the bot's media and gives the name under which it is kept: another one each time, which nobody can guess. */
  saveFile(botId: string, fileName: string, content: Buffer | Uint8Array | ArrayBuffer | string): Promise<string>
  /** A file of the bot's media by the name under which it is kept; rejects if there is none. */
  readFile(botId: string, fileName: string): Promise<Buffer>
  /** The path by which everybody can fetch that file from this server; in a payload's `url` or `image` it becomes a whole address. At once. */
  getFilePath(botId: string, fileName: string): string
}

interface BpDialog {
  /** The id of a session: `channel::target`, or `channel::target::threadId`. At once. */
  createId(destination: Destination): string
  /** Leads the event's conversation to a flow, or to one of its nodes: there the dialog engine goes on. Inside an action that is at once. */
  jumpTo(sessionId: string, event: IncomingEvent, flow: string, node?: string): Promise<void>
  /** Runs the dialog engine on the event at work, from where its conversation stands; it is not interpreted a second time afterwards. */
  processEvent(sessionId: string, event: IncomingEvent): Promise<IncomingEvent>
  /** Forgets a session. Without a bot it is the event's; outside an event it is every bot's. */
  deleteSession(sessionId: string, botId?: string): Promise<void>
}

interface BpKvs {
  /** A stored value, or the part of it at a path such as `a.b[0]`; `undefined` if it is not there. */
  get(botId: string, key: string, path?: string | string[]): Promise<any>
  /** Stores a value, or a part of one. `botId` is any text: it keeps keys apart. */
  set(botId: string, key: string, value: any, path?: string | string[] | null, expiry?: string | number): Promise<void>
  /** Removes a value, or the part of it at a path. */
  delete(botId: string, key: string, path?: string | string[]): Promise<void>
  /** Adds 1, or another number, to a stored number, or to the part of a value at a path, and gives the sum. One step: no count is lost. (Ours: Botpress has no such member.) */
  increment(botId: string, key: string, by?: number, path?: string | string[]): Promise<number>
  /** Whether a value is stored. */
  exists(botId: string, key: string): Promise<boolean>
  /** Stores a value that expires: `'6 hours'`, `'10m'`, `'never'`, or a number of milliseconds. */
  setStorageWithExpiry(botId: string, key: string, value: any, expiry?: string | number): Promise<void>
  /** A value that has not expired, or `undefined`. */
  getStorageWithExpiry(botId: string, key: string): Promise<any>
  /** Removes all values whose key begins so, of all bots. */
  removeStorageKeysStartingWith(prefix: string): Promise<void>
  /** The key of a conversation's value. At once. */
  getConversationStorageKey(sessionId: string, name: string): string
  /** The key of a user's value. At once. */
  getUserStorageKey(userId: string, name: string): string
  /** The key of a value that belongs to nobody. At once. */
  getGlobalStorageKey(name: string): string
  /** The same members for one bot, without the first argument. At once. */
  forBot(botId: string): ScopedKvs
  /** The same members for no bot. At once. */
  global(): ScopedKvs
}

interface BpUsers {
  /** A user, made if there is none. */
  getOrCreateUser(channel: string, userId: string): Promise<{ created: boolean, result: User }>
  /** A user's attributes, which all bots share. Rejects if there is no such user. */
  getAttributes(channel: string, userId: string): Promise<{ [key: string]: any }>
  /** Replaces a user's attributes. */
  setAttributes(channel: string, userId: string, attributes: object): Promise<void>
  /** Merges into a user's attributes, in one step. */
  updateAttributes(channel: string, userId: string, attributes: object): Promise<void>
  /** All users, oldest first; more than 10,000 at once are an error: ask for pages. */
  getAllUsers(paging?: { start?: number, count?: number }): Promise<UserRow[]>
  /** How many users there are. */
  getUserCount(): Promise<number>
}

interface BpBots {
  /** All bots, mounted or not, and their configurations, without their secrets. */
  getAllBots(): Promise<Map<string, BotConfig>>
  /** One bot's configuration, without its secrets; `undefined` if there is no such bot. */
  getBotById(botId: string): Promise<BotConfig | undefined>
}

interface BpConfig {
  /** `botpress.config.json` as it stands, without its secrets. */
  getBotpressConfig(): Promise<{ [key: string]: any }>
  /** A module's configuration, `config/<module>.json`, without its secrets; `{}` if there is none. */
  getModuleConfig(moduleId: string): Promise<{ [key: string]: any }>
  /** The same, with the keys of the bot's own `config/<module>.json` in place of the others'. */
  getModuleConfigForBot(moduleId: string, botId: string): Promise<{ [key: string]: any }>
}

interface BpHttp {
  /** Makes `/s/<name>` lead somewhere. It belongs to the bot; what an event makes is kept for 90 days. */
  createShortLink(name: string, destination: string, params?: { [name: string]: any }): Promise<void>
  /** Removes `/s/<name>`. */
  deleteShortLink(name: string): Promise<void>
  /** What axios needs to call a bot's routes on this server, with a token for five minutes. */
  getAxiosConfigForBot(botId: string, options?: { localUrl?: boolean }): Promise<AxiosConfig>
  /** What a token of another system says, verified as `pro.externalAuth` asks. Rejects one that is not good. */
  decodeExternalToken(token: string): Promise<{ [key: string]: any }>
}

interface BpSecurity {
  /** The HMAC-SHA256 of a message by the app secret, in hexadecimal. */
  getMessageSignature(message: string): Promise<string>
}

interface BpRealtime {
  /** Tells the pages of a visitor, or administrators, of an event, if they are connected. At once, without a promise. */
  sendPayload(payload: RealTimePayload): void
  /** The visitor whose page has that socket; `undefined` if there is none. */
  getVisitorIdFromGuestSocketId(socketId: string): Promise<string | undefined>
}

interface BpExperimental {
  /** Switches a hook of the workspace off by giving its file a leading dot; false if there is none to switch off. */
  disableHook(hookName: string, hookType: string, moduleName?: string): Promise<boolean>
  /** Switches it on again; false if there is none to switch on. */
  enableHook(hookName: string, hookType: string, moduleName?: string): Promise<boolean>
}

interface BpLogger {
  /** Writes to the log. */
  info(message: string, ...meta: any[]): void
  /** Writes a warning to the log. */
  warn(message: string, ...meta: any[]): void
  /** Writes an error to the log. */
  error(message: string, ...meta: any[]): void
  /** Writes to the log where `NUDGE_LOG` asks for it. */
  debug(message: string, ...meta: any[]): void
  /** A logger for another bot; its lines are logged under the bot of the script all the same. */
  forBot(botId: string): Logger
  /** A logger that adds an error to what it writes. */
  attachError(error: Error): Logger
  /** Accepted for compatibility; lines are kept as the log is. */
  persist(keep: boolean): Logger
  /** Accepted for compatibility; the log's own level decides. */
  level(level: number): Logger
}

interface Bp extends BpConstants {
  readonly events: BpEvents
  readonly cms: BpCms
  readonly dialog: BpDialog
  readonly kvs: BpKvs
  readonly users: BpUsers
  readonly bots: BpBots
  readonly config: BpConfig
  readonly http: BpHttp
  readonly security: BpSecurity
  readonly realtime: BpRealtime
  readonly experimental: BpExperimental
  readonly logger: BpLogger
}

// What each kind of hook has in scope.

declare namespace hooks {
  /** once, when bots are loaded and the port is open. */
  interface after_server_start {
    bp: Bp
  }
  /** a bot is mounted. */
  interface after_bot_mount {
    bp: Bp
    botId: string
  }
  /** a bot is unmounted. */
  interface after_bot_unmount {
    bp: Bp
    botId: string
  }
  /** state is restored; before any incoming middleware. */
  interface before_incoming_middleware {
    bp: Bp
    event: IncomingEvent
  }
  /** after all incoming middleware, before decision and dialog engine. */
  interface after_incoming_middleware {
    bp: Bp
    event: IncomingEvent
  }
  /** after ranking, before one suggestion is elected. */
  interface before_suggestions_election {
    bp: Bp
    sessionId: string
    event: IncomingEvent
    suggestions: Suggestion[]
  }
  /** for every outgoing event, before outgoing middleware. */
  interface before_outgoing_middleware {
    bp: Bp
    event: OutgoingEvent
  }
  /** the incoming event is fully processed. */
  interface after_event_processed {
    bp: Bp
    event: IncomingEvent
  }
  /** the context of a session expired. */
  interface before_session_timeout {
    bp: Bp
    event: IncomingEvent
  }
  /** the dialog is about to end. */
  interface before_conversation_end {
    bp: Bp
    event: IncomingEvent
  }
  /** an alerting incident opens or closes. Not called by this version yet. */
  interface on_incident_status_changed {
    bp: Bp
    incident: object
  }
  /** a bot's archive was unpacked. Not called by this version yet. */
  interface before_bot_import {
    bp: Bp
    botId: string
    tmpFolder: string
    hookResult: { [key: string]: any }
  }
  /** error-level log entries of a bot, batched. Not called by this version yet. */
  interface on_bot_error {
    bp: Bp
    botId: string
    events: object[]
  }
  /** promotion of a bot to the next stage was asked for. Not called by this version yet. */
  interface on_stage_request {
    bp: Bp
    bot: BotConfig
    users: object[]
    pipeline: object[]
    hookResult: { [key: string]: any }
  }
  /** promotion happened. Not called by this version yet. */
  interface after_stage_changed {
    bp: Bp
    previousBotConfig: BotConfig
    bot: BotConfig
    users: object[]
    pipeline: object[]
  }
}

/** In every hook, and in actions. */
declare const bp: Bp

/** In before_incoming_middleware, after_incoming_middleware, before_suggestions_election, before_outgoing_middleware, after_event_processed, before_session_timeout, before_conversation_end, and in actions. Before outgoing middleware it is an `OutgoingEvent`. */
declare const event: IncomingEvent

/** In after_bot_mount, after_bot_unmount. */
declare const botId: string

/** In before_suggestions_election. */
declare const sessionId: string

/** In before_suggestions_election. */
declare const suggestions: Suggestion[]

/** In actions. */
declare const user: EventState['user']

/** In actions. */
declare const temp: EventState['temp']

/** In actions. */
declare const session: EventState['session']

/** In actions. */
declare const args: { [name: string]: any }

/** In actions. */
declare const bot: EventState['bot']

/** In actions. */
declare const workflow: any
