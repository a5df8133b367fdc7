/** What a page configures. */

import { expect, test, vi } from 'vitest'
import { complete, length, merge, readOptions } from './config'

const read = (address: string, top = false) => readOptions(address, top)

test('the address says which bot, where the server is, and what the page configured', () => {
  const options = encodeURIComponent(JSON.stringify({ config: { botName: 'Mia', enableReset: false } }))
  const { root, botId, config, fullscreen, ref } = read(
    `https://bots.example/lite/my-bot/?m=channel-web&v=Embedded&options=${options}&ref=a%3Db`
  )
  expect({ root, botId, fullscreen, ref }).toEqual({
    root: 'https://bots.example',
    botId: 'my-bot',
    fullscreen: false,
    ref: 'a=b'
  })
  expect(config).toMatchObject({ botName: 'Mia', enableReset: false, showConversationsButton: true })
})

test('a server below a path is found', () => {
  expect(read('https://x.example/chat/lite/b%20c/').root).toBe('https://x.example/chat')
  expect(read('https://x.example/chat/lite/b%20c/').botId).toBe('b c')
})

test('the page around the frame says its direction where it is from right to left', () => {
  expect(read('https://x.example/lite/b/').pageDirection).toBe('ltr')
  expect(read('https://x.example/lite/b/?dir=rtl').pageDirection).toBe('rtl')
  expect(read('https://x.example/lite/b/?dir=x').pageDirection).toBe('ltr')
})

test('a chat on its own, or asked for by v, fills the window', () => {
  expect(read('https://x.example/lite/b/', true).fullscreen).toBe(true)
  expect(read('https://x.example/lite/b/?v=Fullscreen').fullscreen).toBe(true)
  expect(read(`https://x.example/lite/b/?options={"config":{"viewMode":"Fullscreen"}}`).fullscreen).toBe(true)
})

test('hideWidget may stand beside the configuration', () => {
  expect(read('https://x.example/lite/b/?options={"hideWidget":true}').config.hideWidget).toBe(true)
})

test('options that are no JSON, or no object, are ignored', () => {
  const warned = vi.spyOn(console, 'warn').mockImplementation(() => {})
  for (const odd of ['{', '[]', 'null', '"x"', '{"config":[1]}', '{"config":"x"}']) {
    expect(read(`https://x.example/lite/b/?options=${encodeURIComponent(odd)}`).config).toEqual(complete({}))
  }
  expect(warned).toHaveBeenCalledTimes(1)
})

test('merging changes what is given and keeps the rest', () => {
  expect(merge({ botName: 'A', locale: 'fr' }, { botName: 'B', locale: undefined, more: 1 })).toEqual({
    botName: 'B',
    locale: 'fr',
    more: 1
  })
})

test('bare numbers are pixels', () => {
  expect([length(400), length('400'), length('30em')]).toEqual(['400px', '400px', '30em'])
})

test('reads what proves the visitor from behind the #', () => {
  const secrets = encodeURIComponent(JSON.stringify({ userSecret: 's3cret', botName: 'not from here' }))
  const { config } = readOptions(
    `https://x.org/lite/shop/?options=%7B%22config%22%3A%7B%22userId%22%3A%22ada%22%7D%7D#${secrets}`,
    false
  )
  expect([config.userId, config.userSecret, config.botName]).toEqual(['ada', 's3cret', undefined])
})

test('what is drawn is text, also where a page or a link gives something that looks like an element', () => {
  const element = { type: 'b', props: {}, constructor: undefined, __v: 0 }
  const given = { botName: element, avatarUrl: true, userId: 17, overrides: { a: 1 }, layoutWidth: 400 }
  const { botName, avatarUrl, userId, overrides, layoutWidth } = complete(given as never)
  expect([botName, avatarUrl, userId, overrides, layoutWidth]).toEqual([undefined, undefined, '17', { a: 1 }, 400])
  const link = encodeURIComponent(
    '{"config":{"__proto__":{"showTeaser":"x"},"botName":{"a":1},"composerPlaceholder":5}}'
  )
  const { config } = read(`https://x.org/lite/shop/?options=${link}#${encodeURIComponent('{"userSecret":["a"]}')}`)
  expect([config.botName, config.composerPlaceholder, config.userSecret, config.showTeaser]).toEqual([
    undefined,
    '5',
    undefined,
    true
  ])
  expect(Object.getPrototypeOf(config)).toBe(Object.prototype)
})

test('a link that names a visitor who was issued to another browser does not make anybody that visitor', () => {
  const link = (userId: string) =>
    `https://x.org/lite/shop/?options=${encodeURIComponent(JSON.stringify({ config: { userId, userSecret: 's' } }))}`
  const issued = 'nv1-aaaaaaaaaaaaaaaaaaaaaa'
  const { userId, userSecret } = readOptions(link(issued), true).config
  expect([userId, userSecret]).toEqual([undefined, undefined])
  // A page decides itself, and links may name the ids of people's own.
  expect(readOptions(link(issued), false).config.userId).toBe(issued)
  expect(readOptions(link('ada'), true).config.userId).toBe('ada')
})
