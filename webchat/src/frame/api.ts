/** The server's HTTP routes (`docs/http.md`), as functions. */

import type { BotInfo, Conversation, ConversationRow, Payload } from '../types'
import type { Visitor } from './visitor'

/** `GET /conversations/:userId`. */
export interface ConversationList {
  conversations: ConversationRow[]
  startNewConvoOnTimeout: boolean
  /** Such as `6 hours`. */
  recentConversationLifetime: string
}

/** The server refused a call, or (status 0) could not be reached. */
export class CallFailed extends Error {
  constructor(
    readonly status: number,
    message: string
  ) {
    super(message)
  }

  /** Whether the same call can never succeed: what is sent is wrong, not the moment. */
  get final(): boolean {
    return this.status >= 400 && this.status < 500 && this.status !== 408 && this.status !== 429
  }
}

/** A call that takes longer than this is given up, in milliseconds. An upload may take longer. */
const PATIENCE = 30_000
const PATIENCE_FOR_FILES = 300_000

type Id = number | string

export type Api = ReturnType<typeof openApi>

/** Where the bot's routes are. */
export const routesOf = (root: string, botId: string): string =>
  `${root}/api/v1/bots/${encodeURIComponent(botId)}/mod/channel-web`

/** A new visitor of the bot. */
export async function issueVisitor(routes: string): Promise<Visitor> {
  const answer = await call(`${routes}/visitors`, { method: 'POST' })
  const { visitorId, secret } = (await answer.json()) as { visitorId: string; secret: string }
  return { id: visitorId, secret }
}

/** What the server tells of the bot. */
export async function readInfo(routes: string): Promise<BotInfo> {
  return (await call(`${routes}/botInfo`, {})).json() as Promise<BotInfo>
}

/** The routes of one visitor. `token` is asked at every call: pages renew it. */
export function openApi(routes: string, visitor: Visitor, token: () => string | undefined) {
  const me = encodeURIComponent(visitor.id)

  function headers(): Record<string, string> {
    const all: Record<string, string> = {}
    if (visitor.secret) all['X-Visitor-Secret'] = visitor.secret
    const external = token()
    if (external) all['X-BP-ExternalAuth'] = `Bearer ${external}`
    return all
  }
  const read = async <T>(path: string): Promise<T> => {
    const answer = await call(`${routes}${path}`, { headers: headers() })
    return (await answer.json()) as T
  }
  const write = (path: string, body?: unknown): Promise<Response> =>
    call(`${routes}${path}`, {
      method: 'POST',
      headers: body === undefined ? headers() : { ...headers(), 'content-type': 'application/json' },
      body: body === undefined ? undefined : JSON.stringify(body)
    })
  const inConversation = (id: Id | null): string =>
    id === null ? '' : `?conversationId=${encodeURIComponent(String(id))}`

  return {
    conversations: () => read<ConversationList>(`/conversations/${me}`),
    /** With `after`, a page of the messages that came after that one. */
    conversation: (id: Id, after?: string) =>
      read<Conversation>(
        `/conversations/${me}/${encodeURIComponent(String(id))}${after ? `?after=${encodeURIComponent(after)}` : ''}`
      ),
    async newConversation(): Promise<number> {
      const answer = await write(`/conversations/${me}/new`)
      return ((await answer.json()) as { convoId: number }).convoId
    },
    async message(payload: Payload, conversation: Id | null): Promise<void> {
      await write(`/messages/${me}${inConversation(conversation)}`, payload)
    },
    async event(payload: Payload): Promise<void> {
      await write(`/events/${me}`, payload)
    },
    async file(file: File, conversation: Id): Promise<void> {
      const body = new FormData()
      body.append('file', file)
      const address = `${routes}/messages/${me}/files${inConversation(conversation)}`
      await call(address, { method: 'POST', headers: headers(), body }, PATIENCE_FOR_FILES)
    },
    async reset(id: Id): Promise<void> {
      await write(`/conversations/${me}/${encodeURIComponent(String(id))}/reset`)
    },
    /** `ref` is `text=signature`, as short links and pages hand it over. */
    async reference(id: Id | null, ref: string): Promise<void> {
      await write(`/conversations/${me}/${encodeURIComponent(String(id))}/reference/${encodeURIComponent(ref)}`)
    },
    transcript: (id: Id) =>
      read<{ txt: string; name: string }>(`/conversations/${me}/${encodeURIComponent(String(id))}/download/txt`)
  }
}

async function call(address: string, init: RequestInit, patience = PATIENCE): Promise<Response> {
  let answer: Response
  try {
    answer = await fetch(address, { ...init, credentials: 'omit', signal: AbortSignal.timeout(patience) })
  } catch (error) {
    throw new CallFailed(0, `${address} could not be reached: ${String(error)}`)
  }
  if (!answer.ok) throw new CallFailed(answer.status, `${address} answered ${answer.status}: ${await answer.text()}`)
  return answer
}
