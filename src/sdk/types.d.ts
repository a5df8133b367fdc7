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
