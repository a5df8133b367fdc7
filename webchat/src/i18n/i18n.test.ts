/** The languages: complete, alike, and counted as their speakers count. */

import { describe, expect, test } from 'vitest'
import { dirOf, english, formatDate, formatTime, languageOf, languages, loadTranslator } from '.'
import en from './en.json'

const files = import.meta.glob<Record<string, string>>('./*.json', { eager: true, import: 'default' })
const FORM = /\.(zero|one|two|few|many|other)$/
const placeholders = (text: string) => [...new Set(text.match(/\{\w+\}/g))].sort()

/** The names of texts, those with several forms once. */
const names = (texts: object) => [...new Set(Object.keys(texts).map(key => key.replace(FORM, '')))].sort()

test('there is a file for each language, and a language for each file', () => {
  expect(Object.keys(files).sort()).toEqual(languages.map(language => `./${language}.json`).sort())
  expect(languages).toEqual(expect.arrayContaining('en fr es de pt ar it ru uk tr nl ja zh'.split(' ')))
})

describe.each(languages)('%s', language => {
  const texts = files[`./${language}.json`]!
  const forms = new Intl.PluralRules(language).resolvedOptions().pluralCategories

  test('has every text, and none that English does not have', () => {
    expect(names(texts)).toEqual(names(en))
  })

  test('has every form of the texts that count', () => {
    // A language may count what English says without counting.
    for (const key of [...Object.keys(en), ...Object.keys(texts)].filter(key => FORM.test(key))) {
      const name = key.replace(FORM, '')
      const found = Object.keys(texts).filter(key => key.replace(FORM, '') === name && FORM.test(key))
      expect(found.sort(), name).toEqual(forms.map(form => `${name}.${form}`).sort())
    }
  })

  test('has the placeholders of English, and no empty text', () => {
    const english = en as Record<string, string>
    for (const [key, text] of Object.entries(texts)) {
      expect(text.trim(), key).not.toBe('')
      const original = english[key] ?? english[key.replace(FORM, '.other')] ?? english[key.replace(FORM, '')] ?? ''
      // Some languages say one and two by the word alone.
      const all = placeholders(original)
      if (/\.(zero|one|two)$/.test(key)) expect(all, key).toEqual(expect.arrayContaining(placeholders(text)))
      else expect(placeholders(text), key).toEqual(all)
    }
  })

  test('has no markup: texts are shown as text', () => {
    for (const text of Object.values(texts)) expect(text).not.toMatch(/[<>]/)
  })
})

test('a locale falls back to its language, and that to English', async () => {
  expect(languageOf('fr-CA')).toBe('fr')
  expect(languageOf('pt_BR')).toBe('pt')
  expect(languageOf('ZH-Hant-TW')).toBe('zh')
  for (const odd of ['xx', '', '../en', '__proto__', 'constructor']) expect(languageOf(odd)).toBe('en')
  expect((await loadTranslator('de-AT'))('login.password')).toBe('Passwort')
  expect((await loadTranslator('sw'))('login.password')).toBe('Password')
})

test('a text takes its values, and one that is missing is its own name', () => {
  expect(english('composer.placeholder', { name: '$& {name}' })).toBe('Reply to $& {name}')
  expect(english('composer.placeholder')).toBe('Reply to {name}')
  expect(english('no.such.text')).toBe('no.such.text')
})

test('things are counted as a language counts them', async () => {
  expect([0, 1, 2].map(count => english('carousel.cards', { count }))).toEqual(['0 cards', '1 card', '2 cards'])
  const russian = await loadTranslator('ru')
  expect([1, 3, 5, 21].map(count => russian('carousel.cards', { count }))).toEqual([
    '1 карточка',
    '3 карточки',
    '5 карточек',
    '21 карточка'
  ])
  const arabic = await loadTranslator('ar')
  expect([2, 3, 11].map(count => arabic('carousel.cards', { count }))).toEqual(['بطاقتان', '3 بطاقات', '11 بطاقة'])
})

test('days near now are named, others are dates', () => {
  const now = new Date(2026, 2, 1, 0, 30)
  expect(formatDate(new Date(2026, 2, 1, 23).toISOString(), 'en', now)).toBe('Today')
  expect(formatDate(new Date(2026, 1, 28, 23, 59).toISOString(), 'fr-CA', now)).toBe('Hier')
  expect(formatDate(new Date(2026, 1, 27).toISOString(), 'en-GB', now)).toMatch(/^Friday,? 27 February$/)
  expect(formatDate(new Date(2024, 0, 5).toISOString(), 'de', now)).toBe('Freitag, 5. Januar 2024')
})

test('times and dates that are none are empty, and odd locales are not errors', () => {
  expect(formatTime('nonsense', 'en')).toBe('')
  expect(formatDate('', 'en')).toBe('')
  expect(formatTime(new Date(2026, 0, 1, 14, 5).toISOString(), 'de')).toBe('14:05')
  expect(formatTime(new Date(2026, 0, 1, 14, 5).toISOString(), '!!')).toMatch(/05/)
})

test('some languages are written from right to left', () => {
  expect(['ar', 'he-IL', 'fa', 'ur', 'az-Arab'].map(dirOf)).toEqual(Array(5).fill('rtl'))
  expect(['en', 'ru', 'ku-Latn', '', 'x'].map(dirOf)).toEqual(Array(5).fill('ltr'))
  expect(['ckb', 'dv', 'ks', 'pa-PK', 'ps', 'sd', 'ug', 'yi', 'he_IL'].map(dirOf)).toEqual(Array(9).fill('rtl'))
})

test('Hausa and Kurdish are written in Latin letters, from left to right, unless they say otherwise', () => {
  expect(['ha', 'ha-NG', 'ku', 'ku-TR'].map(dirOf)).toEqual(Array(4).fill('ltr'))
  expect(['ha-Arab', 'ku-Arab-IQ'].map(dirOf)).toEqual(['rtl', 'rtl'])
})
