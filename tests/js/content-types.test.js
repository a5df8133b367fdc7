const { test } = require('node:test')
const assert = require('node:assert/strict')
const { contentTypes, json } = require('./load')

const types = contentTypes()
const render = (id, data, channel = 'web') => json(types[id].renderElement({ BOT_URL: 'http://h:3000', ...data }, channel))

test('every content type is complete and renders nothing on an unknown channel', () => {
  const expected = ['action-button', 'audio', 'card', 'carousel', 'file', 'image', 'location', 'single-choice', 'text', 'video']
  assert.deepEqual(Object.keys(types).sort(), [...expected.map(name => `builtin_${name}`), 'dropdown'])
  for (const [id, type] of Object.entries(types)) {
    for (const key of ['title', 'group', 'jsonSchema', 'uiSchema']) {
      assert.ok(type[key], `${id}.${key}`)
    }
    assert.equal(typeof type.computePreviewText({}), 'string')
    assert.deepEqual(render(id, { typing: true }, 'carrier-pigeon'), [], id)
  }
})

test('typing comes first on every type that speaks', () => {
  for (const id of Object.keys(types).filter(id => id !== 'builtin_action-button')) {
    assert.deepEqual(render(id, { typing: 700, text: 'x' })[0], { type: 'typing', value: 700 }, id)
  }
})

test('an image is a file on the web and an image on telegram', () => {
  const image = '/api/v1/bots/b/media/x.png'
  const url = `http://h:3000${image}`
  assert.deepEqual(render('builtin_image', { image }), [{ type: 'file', url }])
  assert.deepEqual(render('builtin_image', { image }, 'telegram'), [{ type: 'image', url }])
  const payload = { is_reusable: true, url }
  assert.deepEqual(render('builtin_image', { image }, 'messenger'), [{ attachment: { type: 'image', payload } }])
})

const card = {
  title: 'T',
  subtitle: 'S',
  image: 'https://x.org/y.png',
  actions: [
    { action: 'Say something', title: 'a', text: 'hello' },
    { action: 'Open URL', title: 'b', url: 'BOT_URL/s/b' },
    { action: 'Postback', title: 'c', payload: 'P' }
  ]
}

test('a card is a carousel of one', () => {
  const buttons = [
    { type: 'say_something', title: 'a', text: 'hello' },
    { type: 'open_url', title: 'b', url: 'http://h:3000/s/b' },
    { type: 'postback', title: 'c', payload: 'P' }
  ]
  const elements = [{ title: 'T', picture: 'https://x.org/y.png', subtitle: 'S', buttons }]
  assert.deepEqual(render('builtin_card', card), [{ type: 'carousel', text: ' ', elements }])
  assert.deepEqual(render('builtin_carousel', { items: [card] }), [{ type: 'carousel', text: ' ', elements }])
})

test('an unknown action of a card is an error that names it', () => {
  assert.throws(() => render('builtin_card', { title: 'T', actions: [{ action: 'Fly' }] }), /action "Fly" is not known/)
  assert.throws(() => render('builtin_card', { title: 'T', actions: [{ action: 'toString' }] }), /"toString" is not known/)
})

test('a carousel is a generic template for Messenger', () => {
  const [{ attachment }] = render('builtin_carousel', { items: [card, { title: 'bare' }] }, 'messenger')
  assert.equal(attachment.payload.template_type, 'generic')
  assert.deepEqual(attachment.payload.elements[0].buttons, [
    { type: 'postback', title: 'a', payload: 'hello' },
    { type: 'web_url', title: 'b', url: 'http://h:3000/s/b' },
    { type: 'postback', title: 'c', payload: 'P' }
  ])
  assert.deepEqual(attachment.payload.elements[1], { title: 'bare' })
})

test('a choice has quick replies with its values in upper case', () => {
  const data = { text: 'Q', typing: true, choices: [{ title: 'Yes', value: 'yes' }, { title: 'Two', value: 2 }] }
  const quick_replies = [{ title: 'Yes', payload: 'YES' }, { title: 'Two', payload: '2' }]
  const expected = [{ type: 'typing', value: true }, { text: 'Q', quick_replies, typing: true }]
  assert.deepEqual(render('builtin_single-choice', data), expected)
  const [, messenger] = render('builtin_single-choice', data, 'messenger')
  assert.deepEqual(messenger.quick_replies[0], { content_type: 'text', title: 'Yes', payload: 'YES' })
})

test('a dropdown is a component of the web chat', () => {
  const data = { message: 'M', buttonText: 'B', options: [{ label: 'L', value: 'V' }], width: 3, allowMultiple: true }
  assert.deepEqual(render('dropdown', data, 'api'), [
    {
      type: 'custom',
      module: 'extensions',
      component: 'Dropdown',
      message: 'M',
      buttonText: 'B',
      options: [{ label: 'L', value: 'V' }],
      allowMultiple: true,
      width: 3
    }
  ])
  assert.deepEqual(render('dropdown', data, 'telegram'), [])
})

test('video, audio, file and location are raw payloads', () => {
  for (const id of ['video', 'audio', 'file']) {
    const expected = [{ type: id, [id]: 'http://h:3000/m', title: 'T' }]
    assert.deepEqual(render(`builtin_${id}`, { [id]: '/m', title: 'T' }), expected)
  }
  const place = { latitude: 1, longitude: 2, address: 'A', title: 'T' }
  assert.deepEqual(render('builtin_location', place), [{ type: 'location', ...place }])
  assert.match(render('builtin_location', place, 'messenger')[0].text, /^T\nA\nhttps:.*mlat=1&mlon=2$/)
})
