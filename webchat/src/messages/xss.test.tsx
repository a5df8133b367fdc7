/**
 * Stored attacks, over every renderer: `tests/xss-payloads.json`, and each of its texts at each place that has a text.
 * @vitest-environment jsdom
 */

import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { english } from '../i18n'
import type { Message } from '../types'
import { isShown, keyboardMessage, loadMarkdown, previewOf } from '.'
import { kinds } from './table'
import { botMessage, show, userMessage } from './testing'

interface Attack {
  name: string
  attacks: string
  from: 'bot' | 'user'
  message: Partial<Message>
}

// Not imported: a bundler's object literal would lose `__proto__`.
const attacks = JSON.parse(readFileSync('tests/xss-payloads.json', 'utf8')) as Attack[]

/** All that a message can be made of. */
const ELEMENTS = new Set(
  (
    'a b bdi blockquote br button code del div em fieldset form h1 h2 h3 h4 h5 h6 hr i img input kbd label legend li ol ' +
    'option p pre s select datalist span strong sub sup table tbody td th thead tr u ul video audio svg path circle rect line polyline'
  ).split(' ')
)
const ATTRIBUTES = new Set(
  (
    'accept alt align aria-current aria-hidden aria-label aria-roledescription autocapitalize autocomplete checked class ' +
    'controls dir disabled for height hidden href id list loading maxlength name placeholder playsinline preload ' +
    'referrerpolicy rel required role selected src start style tabindex target title type value width xmlns viewBox fill ' +
    'stroke stroke-width stroke-linecap stroke-linejoin d x y x1 x2 y1 y2 cx cy r rx ry points'
  ).split(' ')
)
const LINK = /^(?:https?:|mailto:|tel:)/
const MEDIA = /^(?:https?:|blob:|data:image\/(?:png|jpe?g|gif|webp|avif|bmp);base64,)/

/** Fails for anything in a tree that could run, load or reach further than it should. */
export function expectHarmless(root: Element, from: string) {
  for (const element of root.querySelectorAll('*')) {
    const where = `${from}: ${element.outerHTML.slice(0, 200)}`
    const tag = element.localName
    expect(ELEMENTS.has(tag), where).toBe(true)
    for (const { name, value } of element.attributes) {
      expect(ATTRIBUTES.has(name), `${name} in ${where}`).toBe(true)
      if (name === 'href') expect(value, where).toMatch(LINK)
      if (name === 'src') expect(value, where).toMatch(MEDIA)
      if (name === 'target') expect(value, where).toBe('_blank')
      if (name === 'style') expect(value, where).toMatch(/^(?:max-inline-size: \d+px|--bpw-cards-shown: \d+);$/)
      if (name === 'class') expect(value, where).toMatch(/^(?:(?:bpw|lucide)[\w-]*(?: |$))+$/)
      // Ids that a payload chose would answer for the page's own.
      if (name === 'id') expect(value, where).toMatch(/^P\d[\w-]*$/)
    }
    if (element.hasAttribute('target')) expect(element.getAttribute('rel'), where).toContain('noopener')
    const drawnByUs = element.closest('.bpw-markdown') === null
    if (/^(?:form|input|button|select|svg|video|audio)$/.test(tag)) expect(drawnByUs, where).toBe(true)
    if (element.hasAttribute('class')) expect(drawnByUs || element.classList.contains('bpw-markdown'), where).toBe(true)
  }
}

beforeAll(loadMarkdown)

function messageOf({ from, message }: Attack): Message {
  return (from === 'user' ? userMessage : botMessage)(message.payload, message)
}

test('there are more than a hundred attacks, each with a name of its own', () => {
  expect(new Set(attacks.map(attack => attack.name)).size).toBe(attacks.length)
  expect(attacks.length).toBeGreaterThan(100)
  expect(attacks.filter(attack => attack.from === 'user').length).toBeGreaterThan(15)
})

test('the check finds what is let through', () => {
  const found = attacks.filter(({ name, message }) => {
    const raw = String((message.payload as { text?: unknown }).text)
    // A document of its own: nothing in it runs.
    const { body } = new DOMParser().parseFromString(`<body>${raw}`, 'text/html')
    try {
      expectHarmless(body, name)
      return name.startsWith('markdown-html') && body.querySelector('*') !== null
    } catch {
      return false
    }
  })
  expect(found.map(attack => attack.name)).toEqual([])
})

test.each(attacks)('$name: $attacks', attack => {
  const message = messageOf(attack)
  const { root } = show(message)
  expectHarmless(root, attack.name)
  expect(typeof previewOf(message, english)).toBe('string')
  expect(isShown(message)).toBe(true)
  expect(keyboardMessage([message])).toBe(message)
  for (const button of root.querySelectorAll('button')) button.click()
  expectHarmless(root, `${attack.name}, clicked`)
  expect('__xss' in window).toBe(false)
})

/** All texts within a value. */
function textsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : []
}

test('every hostile text at every place of every kind of payload', () => {
  const texts = [...new Set(attacks.flatMap(attack => textsOf(attack.message)))].filter(text => text.length > 12)
  expect(texts.length).toBeGreaterThan(100)
  for (const kind of kinds) {
    const [type, path = ''] = kind.split(' ')
    const [module, component] = path.split('/')
    for (const text of texts) {
      const buttons = ['say_something', 'open_url', 'postback', text].map(type => ({
        type,
        title: text,
        text,
        url: text,
        payload: text
      }))
      const card = { title: text, subtitle: text, picture: text, image: text, buttons, actions: buttons }
      const option = { label: text, title: text, value: text, payload: text }
      const payload = {
        ...{ text, message: text, title: text, subtitle: text, address: text, markdown: true, buttonText: text },
        ...{
          url: text,
          image: text,
          video: text,
          audio: text,
          file: text,
          picture: text,
          name: text,
          mime: 'image/png'
        },
        ...{ elements: [card, card], items: [card, card], actions: buttons, buttons, width: text, latitude: text },
        ...{ quick_replies: [option, text], choices: [option], options: [option, text], placeholderText: text },
        ...{
          wrapped: { type: 'text', markdown: true, text },
          allowMultiple: text.length % 2 === 0,
          allowCreation: true
        },
        ...{ type, module, component }
      }
      // What visitors send is drawn by the same parts; every third text is enough to see that.
      const { root, unmount } = show((text.length + kind.length) % 3 ? botMessage(payload) : userMessage(payload))
      expectHarmless(root, kind)
      unmount()
    }
  }
  expect('__xss' in window).toBe(false)
}, 60_000)
