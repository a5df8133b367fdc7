/** Texts of the interface: one JSON file a language; English is always there, others are loaded when needed. */

import type { Translate } from '../types'
import en from './en.json'

export { dirOf, formatDate, formatTime } from './format'

type Texts = Readonly<Record<string, string>>

/** Each language but English in a file of its own, which only those who read it load. */
const LANGUAGES: Readonly<Record<string, () => Promise<{ default: Texts }>>> = {
  ar: () => import('./ar.json'),
  de: () => import('./de.json'),
  es: () => import('./es.json'),
  fr: () => import('./fr.json'),
  it: () => import('./it.json'),
  ja: () => import('./ja.json'),
  nl: () => import('./nl.json'),
  pt: () => import('./pt.json'),
  ru: () => import('./ru.json'),
  tr: () => import('./tr.json'),
  uk: () => import('./uk.json'),
  zh: () => import('./zh.json')
}

/** The languages that there are texts in. */
export const languages: readonly string[] = ['en', ...Object.keys(LANGUAGES)]

/** The language of a locale that there are texts in (`fr` of `fr-CA`); English where there is none. */
export function languageOf(locale: string): string {
  const language = locale.toLowerCase().split(/[-_]/)[0] ?? ''
  return languages.includes(language) ? language : 'en'
}

/**
 * A translator of these texts. A text in several forms is asked for by its bare name and a `count`: `cards` finds
 * `cards.one`, `cards.few`, … as the language counts.
 */
export function translator(texts: Texts, language: string): Translate {
  const plurals = new Intl.PluralRules(language)
  const find = (from: Texts, key: string, form: string) => from[`${key}.${form}`] ?? from[`${key}.other`] ?? from[key]
  return (key, values = {}) => {
    const count = Number(values.count)
    const form = 'count' in values && Number.isFinite(count) ? plurals.select(count) : 'other'
    const found = find(texts, key, form) ?? find(en, key, form) ?? key
    return found.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole))
  }
}

/** A translator for English. */
export const english: Translate = translator(en, 'en')

/** A translator for a locale: its language's, or English where there is none or it cannot be loaded. */
export async function loadTranslator(locale: string): Promise<Translate> {
  const language = languageOf(locale)
  const load = LANGUAGES[language]
  if (!load) return english
  try {
    return translator((await load()).default, language)
  } catch {
    return english
  }
}
