/** Texts of the interface: one JSON file a language; English is always there, others are loaded when needed. */

import type { Translate } from '../types'
import en from './en.json'

/** A translator for English. */
export const english: Translate = (key, values = {}) =>
  ((en as Record<string, string>)[key] ?? key).replace(/\{(\w+)\}/g, (whole, name: string) =>
    String(values[name] ?? whole)
  )
