/** Reads payloads, of which nothing can be trusted: every function here takes anything and never throws. */

/** Longest text that is shown, in UTF-16 units; the rest becomes `…`. */
export const LONGEST_TEXT = 50_000
/** Longest label, title or name that is shown. */
export const LONGEST_LABEL = 1_000
/** Most cards, options or buttons that are shown of a list. */
export const MOST_ITEMS = 200
/** How deep messages may be wrapped in messages. */
export const DEEPEST = 5

/** An object that came from outside. */
export type Fields = Readonly<Record<string, unknown>>

const NOTHING: Fields = Object.freeze({})

/** The members of an object; none where it is no object. */
export function fields(value: unknown): Fields {
  return isFields(value) ? value : NOTHING
}

/** Whether something is an object that has members, and no list. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The first of the members that has a text (or a number), cut; undefined where none does. */
export function text(of: Fields, names: readonly string[], longest = LONGEST_TEXT): string | undefined {
  for (const name of names) {
    const value = Object.hasOwn(of, name) ? of[name] : undefined
    if (typeof value === 'number' && Number.isFinite(value)) return String(value)
    if (typeof value === 'string' && value.trim() !== '') return cut(value, longest)
  }
  return undefined
}

/** Like `text`, for one line: labels, titles. Invisible characters that turn the direction of a line are taken out. */
export function label(of: Fields, ...names: string[]): string | undefined {
  const found = text(of, names, LONGEST_LABEL)
  return found === undefined ? undefined : harmless(found)
}

/** The first of the members that is a list, cut; empty where none is. */
export function list(of: Fields, ...names: string[]): readonly unknown[] {
  for (const name of names) {
    const value = Object.hasOwn(of, name) ? of[name] : undefined
    if (Array.isArray(value)) return value.slice(0, MOST_ITEMS)
  }
  return []
}

/** A member that is a finite number, or a text that says one. */
export function number(of: Fields, name: string): number | undefined {
  const value = of[name]
  if (typeof value !== 'number' && (typeof value !== 'string' || value.trim() === '')) return undefined
  const found = Number(value)
  return Number.isFinite(found) ? found : undefined
}

/** At most `longest` units of a text, never half of a character. */
export function cut(value: string, longest: number): string {
  return value.length <= longest ? value : `${value.slice(0, longest).replace(/[\ud800-\udbff]$/, '')}…`
}

/**
 * A text without control characters and without those that turn its direction: `gpj.exe` must not read `exe.jpg`.
 * Ordinary right-to-left writing is untouched.
 */
export function harmless(value: string): string {
  return value
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .replace(/[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/g, '')
}
