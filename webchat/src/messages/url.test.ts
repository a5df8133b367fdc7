/**
 * Which addresses are followed.
 * @vitest-environment jsdom
 */

import { expect, test } from 'vitest'
import { lastPart, safeLink, safeMedia } from './url'

const host = 'https://bot.example/chat'

test('links go to the web, to mail and to telephones', () => {
  expect(safeLink('https://example.org/a?b=c#d', host)).toBe('https://example.org/a?b=c#d')
  expect(safeLink('HTTP://example.org', host)).toBe('http://example.org/')
  expect(safeLink('mailto:a@b.org', host)).toBe('mailto:a@b.org')
  expect(safeLink('tel:+491234', host)).toBe('tel:+491234')
})

test('relative addresses start at the host, with its path', () => {
  expect(safeLink('media/a.png', host)).toBe('https://bot.example/chat/media/a.png')
  expect(safeMedia('/a.png', host)).toBe('https://bot.example/a.png')
  expect(safeMedia('//example.org/a.png', host)).toBe('https://example.org/a.png')
  expect(safeLink('a', 'javascript:alert(1)')).toBe(new URL('a', document.baseURI).href)
  expect(safeLink('a', '')).toBe(new URL('a', document.baseURI).href)
})

test('an address cannot show one name and open another', () => {
  expect(safeLink('https://bank.example@evil.example/', host)).toBe('https://evil.example/')
})

test('nothing else is followed', () => {
  const bad = [
    'javascript:alert(1)',
    ' javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'java\nscript:alert(1)',
    'java\tscript:alert(1)',
    '\u0000javascript:alert(1)',
    '\u0085javascript:alert(1)',
    'vbscript:x',
    'data:text/html,x',
    'data:image/svg+xml;base64,PHN2Zy8+',
    'data:image/png,<svg>',
    'file:///etc/passwd',
    'filesystem:https://a/b',
    'about:blank',
    'http://',
    'https://exa mple.org',
    '',
    '  ',
    `https://example.org/${'a'.repeat(10_000)}`,
    null,
    undefined,
    1,
    {},
    ['https://example.org']
  ]
  for (const address of bad) {
    expect(safeLink(address, host), String(address)).toBeUndefined()
    expect(safeMedia(address, host), String(address)).toBeUndefined()
  }
})

test('media may be pictures in data, and blobs of the page; links may not', () => {
  const picture = 'data:image/png;base64,iVBORw0KGgo='
  expect(safeMedia(picture, host)).toBe(picture)
  expect(safeLink(picture, host)).toBeUndefined()
  const blob = `blob:${location.origin}/1-2`
  expect([safeMedia(blob, host), safeLink(blob, host)]).toEqual([blob, undefined])
  for (const foreign of ['blob:https://bot.example/1-2', 'blob:null/1'])
    expect(safeMedia(foreign, host)).toBeUndefined()
  expect(safeMedia('mailto:a@b.org', host)).toBeUndefined()
})

test('the last part of an address is its file', () => {
  expect(lastPart('https://example.org/a/b%20c.png?d=/e#f')).toBe('b c.png')
  expect(lastPart('https://example.org/100%.png')).toBe('100%.png')
  expect(lastPart('data:image/png;base64,/abc')).toBe('')
  expect(lastPart(undefined)).toBe('')
})
