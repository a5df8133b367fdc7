const { test } = require('node:test')
const assert = require('node:assert/strict')
const { cms, json } = require('./load')

const elements = {
  'builtin_text-hi': {
    contentType: 'builtin_text',
    formData: { text$en: 'Hi {{name}}', text$fr: 'Salut {{name}}', typing$en: true },
    createdBy: 'me',
    createdOn: '2026-01-02T00:00:00.000Z',
    modifiedOn: '2026-01-02T00:00:00.000Z'
  },
  'builtin_text-many': {
    contentType: 'builtin_text',
    formData: { text: 'one', variations: ['two {{n}}', ''] },
    createdOn: '2026-01-01T00:00:00.000Z'
  },
  'builtin_text-twelve': { contentType: 'builtin_text', formData: { text: { en: 'Hello', fr: 'Bonjour' } } }
}
const french = { state: { user: { language: 'fr' } } }
const text = text => ({ type: 'text', markdown: true, text })

test('the documented proactive reply is a typing indicator and a text', () => {
  const args = { text: "I'm so proactive!", typing: true }
  const destination = { channel: 'web', target: 'u', botId: 'welcome-bot' }
  const expected = [{ type: 'typing', value: true }, text("I'm so proactive!")]
  assert.deepEqual(json(cms().renderElement('builtin_text', args, destination)), expected)
})

test('a plain text does not load mustache', () => {
  const none = cms({ mustache: () => assert.fail('loaded') })
  assert.deepEqual(none.renderElement('builtin_text', { text: 'a } { b }}' }, 'web'), [text('a } { b }}')])
})

test('every form of an id names the same', () => {
  const it = cms({ elements })
  for (const id of ['builtin_text', '#builtin_text', '@builtin_text']) {
    assert.deepEqual(it.renderElement(id, { text: 'x' }, 'web'), [text('x')], id)
  }
  for (const id of ['!builtin_text-hi', '#!builtin_text-hi']) {
    assert.deepEqual(it.renderElement(id, { name: 'Ann' }, 'web')[1], text('Hi Ann'), id)
  }
  assert.deepEqual(it.renderElement('!builtin_text-hi', [], 'web')[1], text('Hi '))
  assert.deepEqual(it.renderElement('!builtin_text-hi', undefined, { channel: 'web' })[1], text('Hi '))
})

test('an element speaks the user\'s language, and else the default one', () => {
  const it = cms({ elements })
  assert.equal(it.renderElement('!builtin_text-hi', { name: 'Ann', event: french }, 'web')[1].text, 'Salut Ann')
  const german = { state: { user: { language: 'de' } } }
  assert.equal(it.renderElement('!builtin_text-hi', { name: 'Ann', event: german }, 'web')[1].text, 'Hi Ann')
  assert.equal(it.renderElement('!builtin_text-many', { event: french }, 'web')[0].text, 'one')
  assert.equal(it.renderElement('!builtin_text-twelve', { event: french }, 'web')[0].text, 'Bonjour')
  assert.equal(it.renderElement('!builtin_text-twelve', {}, 'web')[0].text, 'Hello')
})

test('so many elements are kept ready that a bot of ordinary size has each made once, and no more than that', async () => {
  const names = Array.from({ length: 513 }, (_, at) => `builtin_text-${at}`)
  const elements = Object.fromEntries(names.map(id => [id, { contentType: 'builtin_text', formData: { text$en: `I am ${id}` } }]))
  let made = 0
  const element = id => {
    made += 1
    return structuredClone({ id, ...elements[id] })
  }
  const it = cms({ element })
  const say = async id => assert.equal((await it.renderElement(`!${id}`, {}, 'web')).at(-1).text, `I am ${id}`)
  const count = async ids => {
    made = 0
    for (const id of ids) await say(id)
    return made
  }
  assert.equal(await count(names.slice(0, 512)), 512)
  assert.equal(await count(names.slice(0, 512)), 0)
  assert.equal(await count(names.slice(512)), 1)
  assert.equal(await count(names.slice(0, 1)), 1)
})

test('one of text and variations is picked, and rendered', () => {
  assert.equal(cms({ elements, random: () => 0 }).renderElement('!builtin_text-many', {}, 'web')[0].text, 'one')
  const last = cms({ elements, random: () => 0.999 })
  assert.equal(last.renderElement('!builtin_text-many', { n: 2 }, 'web')[0].text, 'two 2')
})

test('templates escape as mustache does', () => {
  const it = cms()
  const say = (template, args) => it.renderElement('builtin_text', { ...args, text: template }, 'web')[0].text
  assert.equal(say('{{a}} {{{a}}} {{&a}}', { a: '<b>' }), '&lt;b&gt; <b> <b>')
  assert.equal(say('{{#list}}[{{.}}]{{/list}}{{^none}}!{{/none}}', { list: [1, 'x'] }), '[1][x]!')
  assert.equal(say('{{a.b.c}}{{missing.x}}', { a: { b: { c: 0 } } }), '0')
  assert.equal(say('{{#bold}}{{x}}{{/bold}}', { x: '{{y}}', y: 'no', bold: () => (text, render) => `*${render(text)}*` }), '*{{y}}*')
})

test('a template that brings forth a template is rendered again, three times at most', () => {
  const it = cms()
  const again = '{{=<% %>=}}<%={{ }}=%>{{=<% %>=}}{{a}}'
  assert.equal(it.renderTemplate(again, { a: 1 }), '1')
})

test('what a value brings in is never a template', () => {
  const it = cms()
  const context = { typed: '{{secret}} {{{secret}}} {{#open}}', secret: 'S', half: '{', rest: '{secret}}' }
  assert.equal(it.renderTemplate('{{{typed}}}', context), context.typed)
  assert.equal(it.renderTemplate('{{typed}}', { typed: '{{secret}}', secret: 'S' }), '{{secret}}')
  assert.equal(it.renderTemplate('{{{half}}}{{{rest}}}', context), '{{secret}}')
  assert.equal(it.renderTemplate('{{{half}}}{secret}}', context), '{{secret}}')
  assert.equal(it.renderTemplate('{{=<% %>=}}<%&typed%> {{a}}', { ...context, a: 1 }), `${context.typed} 1`)
})

test('the noncharacters that hide braces come out as they went in', () => {
  const odd = '\uFDD0 \uFDD0\uFDD1 \uFDD0\uFDD2 {'
  assert.equal(cms().renderTemplate(`${odd} {{{x}}}`, { x: odd }), `${odd} ${odd}`)
})

test('renderTemplate goes through arrays and objects and leaves the rest', () => {
  const date = new Date(0)
  const item = { a: ['{{x}}', 1, null], date, ['__proto__']: 'p' }
  const parsed = JSON.parse('{"__proto__":"{{x}}","hasOwnProperty":"{{x}}"}')
  const it = cms()
  assert.deepEqual(it.renderTemplate(item, { x: 'y' }).a, ['y', 1, null])
  assert.equal(it.renderTemplate(item, { x: 'y' }).date, date)
  assert.equal(JSON.stringify(it.renderTemplate(parsed, { x: 'y' })), '{"__proto__":"y","hasOwnProperty":"y"}')
  const cycle = {}
  cycle.self = cycle
  assert.throws(() => it.renderTemplate(cycle, {}), /nested deeper than 100 levels/)
})

test('a template that is wrong says where and what', () => {
  const broken = { 'builtin_text-broken': { contentType: 'builtin_text', formData: { text: '{{#a}}' } } }
  const expected = /cannot render the template "{{#a}}" of element "builtin_text-broken": Unclosed section "a"/
  assert.throws(() => cms({ elements: broken }).renderElement('!builtin_text-broken', {}, 'web'), expected)
})

test('references to other elements are resolved, and a circle is an error', () => {
  const card = id => ({ contentType: 'builtin_card', formData: { title$en: id, title$fr: `fr ${id}` } })
  const linked = {
    'builtin_card-a': card('a {{n}}'),
    'builtin_carousel-x': { contentType: 'builtin_carousel', formData: { items$en: ['##ref(builtin_card-a)', { title: 'b' }] } },
    'builtin_carousel-c': { contentType: 'builtin_carousel', formData: { items: ['##ref(builtin_carousel-c)'] } },
    'builtin_carousel-u': { contentType: 'builtin_carousel', formData: { items: ['##ref(builtin_card-b)'] } }
  }
  const it = cms({ elements: linked })
  const titles = args => it.renderElement('!builtin_carousel-x', args, 'web')[0].elements.map(element => element.title)
  assert.deepEqual(titles({ n: 1 }), ['a 1', 'b'])
  assert.deepEqual(titles({ n: 1, event: french }), ['fr a 1', 'b'])
  assert.throws(() => it.renderElement('!builtin_carousel-c', {}, 'web'), /in a circle: builtin_carousel-c → builtin_carousel-c/)
  const expected = /"builtin_card-b", which "builtin_carousel-u" refers to, does not exist .*did you mean "builtin_card-a"/
  assert.throws(() => it.renderElement('!builtin_carousel-u', {}, 'web'), expected)
})

test('mistakes are named, with what was probably meant', () => {
  const it = cms({ elements })
  const error = (...args) => {
    try {
      it.renderElement(...args)
    } catch (error) {
      return error.message
    }
  }
  assert.equal(error('builtin_txt', {}, 'web'), 'the content type "builtin_txt" does not exist: did you mean "builtin_text"?')
  assert.equal(
    error('!builtin_text-ho', {}, 'web'),
    'the content element "builtin_text-ho" does not exist in bot "welcome-bot": did you mean "builtin_text-hi"?'
  )
  assert.match(error('builtin_text-hi', {}, 'web'), /write "!builtin_text-hi" to render it/)
  assert.match(error('!builtin_text', {}, 'web'), /leave out the "!"/)
  assert.equal(error(undefined, {}, 'web'), 'bp.cms.renderElement: "contentId" must be a string that is not empty, got undefined')
  assert.equal(error('builtin_text', 'hello', 'web'), 'bp.cms.renderElement: "args" must be an object, got a string')
  assert.match(error('builtin_text', {}, {}), /"destination" must be an event, /)
  assert.match(error('builtin_text', {}), /"destination" must be .*, got undefined/)
})

test('a content type may return one payload, none, or a promise', async () => {
  const type = renderElement => ({ types: { t: { id: 't', renderElement } } })
  assert.deepEqual(cms(type(() => ({ a: 1 }))).renderElement('t', {}, 'web'), [{ a: 1 }])
  assert.deepEqual(cms(type(() => undefined)).renderElement('t', {}, 'web'), [])
  assert.deepEqual(await cms(type(async () => ({ a: 1 }))).renderElement('t', {}, 'web'), [{ a: 1 }])
  assert.throws(() => cms(type(undefined)).renderElement('t', {}, 'web'), /"t" has no function renderElement/)
})

test('a content type gets the arguments, the address of the server and the channel', () => {
  let seen
  const t = { id: 't', renderElement: (...args) => ((seen = args), []) }
  const marker = () => 1
  cms({ types: { t } }).renderElement('t', { event: { marker } }, 'sms')
  assert.deepEqual(seen, [{ BOT_URL: 'http://localhost:3000', event: { marker } }, 'sms'])
})

test('elements are read with type and previews, in one language if asked', () => {
  const it = cms({ elements })
  const element = it.getContentElement('welcome-bot', 'builtin_text-hi')
  assert.equal(element.contentType, 'builtin_text')
  assert.deepEqual(element.previews, { en: 'Text: Hi {{name}}', fr: 'Text: Salut {{name}}' })
  assert.equal(element.formData.text$en, 'Hi {{name}}')
  const translated = it.getContentElement('welcome-bot', 'builtin_text-hi', 'fr')
  assert.deepEqual(translated.formData, { text: 'Salut {{name}}', typing: true })
  assert.equal(it.getContentElement('welcome-bot', 'nope'), undefined)
  assert.equal(it.getContentElements('welcome-bot', ['nope', 'builtin_text-hi']).length, 1)
  assert.throws(() => it.getContentElement('other', 'x'), /bp.cms.getContentElement: there is no bot "other"/)
  assert.throws(() => it.getContentElement(undefined, 'x'), /bp.cms.getContentElement: "botId" must be a string, got undefined/)
})

test('a list is searched, filtered, ordered and cut', () => {
  const it = cms({ elements })
  const ids = (...args) => it.listContentElements('welcome-bot', ...args).map(element => element.id)
  assert.deepEqual(ids(), ['builtin_text-twelve', 'builtin_text-many', 'builtin_text-hi'])
  assert.deepEqual(ids('builtin_image'), [])
  assert.deepEqual(ids('builtin_text', { searchTerm: 'SALUT' }), ['builtin_text-hi'])
  assert.deepEqual(ids(undefined, { count: 1, from: 1 }), ['builtin_text-many'])
  assert.deepEqual(ids(undefined, { sortOrder: [{ column: 'createdOn', desc: true }], count: -1 })[0], 'builtin_text-hi')
  assert.deepEqual(ids(undefined, { ids: ['builtin_text-many'] }), ['builtin_text-many'])
  assert.deepEqual(ids(undefined, { filters: [{ column: 'createdBy', value: 'ME' }] }), ['builtin_text-hi'])
})

test('content types are listed, those a bot imports where that is known', () => {
  assert.ok(cms().getAllContentTypes().length >= 11)
  const it = cms({ importedContentTypes: () => ['builtin_text'] })
  assert.deepEqual(it.getAllContentTypes('welcome-bot').map(type => type.id), ['builtin_text'])
})

test('an outgoing payload has absolute media, and is the same object where there is nothing to do', () => {
  const it = cms({ botUrl: 'https://example.org/chat/' })
  const plain = { type: 'text', text: '/a', list: [{ url: 'https://x.org/' }, '//y'], n: 1 }
  assert.equal(it.absolutePayload(plain), plain)
  const payload = {
    type: 'carousel',
    items: [{ image: '/api/v1/bots/b/media/x.png', title: '/t' }, { image: '/chat/api/v1/bots/b/media/y.png' }],
    text: 'see BOT_URL/s/b',
    cdn: { url: '//cdn.example.org/x' }
  }
  const before = structuredClone(payload)
  assert.deepEqual(it.absolutePayload(payload), {
    type: 'carousel',
    items: [
      { image: 'https://example.org/chat/api/v1/bots/b/media/x.png', title: '/t' },
      { image: 'https://example.org/chat/api/v1/bots/b/media/y.png' }
    ],
    text: 'see https://example.org/chat/s/b',
    cdn: { url: '//cdn.example.org/x' }
  })
  assert.deepEqual(payload, before)
  assert.equal(it.absolutePayload(payload).cdn, payload.cdn)
})
