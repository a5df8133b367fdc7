/** Who visits: an id with a secret from the server, kept in one key of the browser's storage. Nothing else is kept. */

import type { Config } from '../types'
import { isRecord } from './config'

export interface Visitor {
  id: string
  /** Proves that the id is the visitor's; ids a page chose may have none. */
  secret?: string
}

/** The part of `Storage` that is used. */
export type Keep = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

/** The key of a scope. Chats of one page, and of one scope, share a visitor. */
export const keyOf = (scope?: string): string => (scope ? `nudge/visitor/${scope}` : 'nudge/visitor')

/** Browsers may refuse storage in frames of other sites: the visitor then lasts as long as the frame. */
export function openStorage(session: boolean, view: Window = window): Keep {
  try {
    const storage = session ? view.sessionStorage : view.localStorage
    const probe = 'nudge/probe'
    storage.setItem(probe, '1')
    storage.removeItem(probe)
    return storage
  } catch {
    const kept = new Map<string, string>()
    return {
      getItem: key => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: key => void kept.delete(key)
    }
  }
}

/** The visitor the page names, the one kept here, or a new one that is kept from now on. */
export async function findVisitor(config: Config, keep: Keep, issue: () => Promise<Visitor>): Promise<Visitor> {
  if (config.userId) return { id: String(config.userId), secret: config.userSecret || undefined }
  const key = keyOf(config.userIdScope)
  const known = read(keep, key)
  if (known) return known
  const issued = await issue()
  // Another tab may have been faster: both are the same visitor then.
  const meanwhile = read(keep, key)
  if (meanwhile) return meanwhile
  keep.setItem(key, JSON.stringify(issued))
  return issued
}

/** Forgets a kept visitor whose secret the server does not take any more. */
export function forgetVisitor(config: Config, keep: Keep): void {
  keep.removeItem(keyOf(config.userIdScope))
}

function read(keep: Keep, key: string): Visitor | undefined {
  try {
    const value: unknown = JSON.parse(keep.getItem(key) ?? 'null')
    if (!isRecord(value) || typeof value.id !== 'string' || value.id === '') return undefined
    return { id: value.id, secret: typeof value.secret === 'string' ? value.secret : undefined }
  } catch {
    return undefined
  }
}
