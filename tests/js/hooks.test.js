const { test } = require('node:test')
const assert = require('node:assert/strict')
const { cms, hook, json } = require('./load')

const WellKnownFlags = {
  SKIP_DIALOG_ENGINE: Symbol.for('skipDialogEngine'),
  FORCE_PERSIST_STATE: Symbol.for('forcePersistState')
}

const setting = (given, elements) => {
  const flags = new Set()
  const replies = []
  const links = []
  const it = cms({ elements })
  const bp = {
    IO: { WellKnownFlags },
    cms: { renderElement: async (...args) => it.renderElement(...args) },
    events: { replyToEvent: async (to, payloads, id) => replies.push([to, json(payloads), id]) },
    http: { createShortLink: (...args) => links.push(args), deleteShortLink: name => links.push([name]) }
  }
  const event = {
    id: '7',
    channel: 'web',
    target: 'u',
    nlu: { slots: {}, includedContexts: ['global'] },
    state: { user: {}, session: {}, temp: {}, context: {} },
    setFlag: (flag, on) => (on ? flags.add(flag) : flags.delete(flag)),
    ...given
  }
  return { bp, event, flags, replies, links }
}

test('events of the chat itself skip the dialog, messages do not', () => {
  const skips = type => {
    const { bp, event, flags } = setting({ type })
    hook('after_incoming_middleware/00_skip_system_events.js', { bp, event })
    return flags.has(WellKnownFlags.SKIP_DIALOG_ENGINE)
  }
  for (const type of ['visit', 'typing', 'session_reset', 'session_reference', 'request_start_conversation', 'say_something', 'postback']) {
    assert.ok(skips(type), type)
  }
  assert.ok(!skips('text'))
  assert.ok(!skips('proactive-trigger'))
})

test('say_something says an element or the text itself, braces and all', async () => {
  const elements = { 'builtin_text-hi': { contentType: 'builtin_text', formData: { text: 'Hi' } } }
  const said = async payload => {
    const { bp, event, replies } = setting({ type: 'say_something', payload }, elements)
    await hook('after_incoming_middleware/01_say_something.js', { bp, event })
    return replies.flatMap(([, payloads]) => payloads).map(({ type, text }) => text || type)
  }
  assert.deepEqual(await said({ text: 'Said' }), ['typing', 'Said'])
  assert.deepEqual(await said({ payload: { text: 'Said' } }), ['typing', 'Said'])
  assert.deepEqual(await said({ text: '#!builtin_text-hi' }), ['Hi'])
  assert.deepEqual(await said({ text: '{{#a}} {{said}}' }), ['typing', '{{#a}} {{said}}'])
  assert.deepEqual(await said({}), [])
  assert.deepEqual(await said(undefined), [])
})

test('contexts asked for by a dialog are included until their turns are used up', () => {
  const nluContexts = [{ context: 'a', ttl: 2 }, { context: 'b', ttl: 1 }, { context: 'c' }]
  const { bp, event } = setting({ type: 'text', state: { session: { nluContexts } } })
  hook('before_incoming_middleware/00_nlu_contexts.js', { bp, event })
  assert.deepEqual(event.nlu.includedContexts, ['global', 'a', 'b', 'c'])
  hook('after_incoming_middleware/02_nlu_contexts.js', { bp, event })
  assert.deepEqual(event.state.session.nluContexts, [{ context: 'a', ttl: 1 }, { context: 'c' }])
})

test('slots are kept in the session, and expire by turns', () => {
  const { bp, event, flags } = setting({ type: 'text' })
  const run = () => hook('after_incoming_middleware/03_extract_slots.js', { bp, event })
  run()
  assert.deepEqual(event.state.session.extractedSlots, {})
  assert.equal(flags.size, 0)
  event.nlu.slots = { city: { name: 'city', value: 'Rome' } }
  run()
  const { city } = event.state.session.extractedSlots
  assert.equal(city.value, 'Rome')
  assert.deepEqual([city.turns, city.overwritable, city.expiresAfterTurns, typeof city.timestamp], [0, true, false, 'number'])
  assert.ok(flags.has(WellKnownFlags.FORCE_PERSIST_STATE))
  event.nlu.slots = {}
  city.expiresAfterTurns = 1
  run()
  assert.equal(event.state.session.extractedSlots.city.turns, 1)
  run()
  assert.deepEqual(event.state.session.extractedSlots, {})
})

test('quick replies become a component around the message, once, and only in the web chat', () => {
  const sent = (payload, channel) => {
    const { bp, event } = setting({ type: 'default', payload, channel })
    hook('before_outgoing_middleware/00_quick_replies.js', { bp, event })
    return event
  }
  const quick_replies = [{ title: 'Yes', payload: 'YES' }]
  const event = sent({ text: 'Q', quick_replies }, 'api')
  const expected = {
    type: 'custom',
    module: 'channel-web',
    component: 'QuickReplies',
    quick_replies,
    wrapped: { type: 'text', text: 'Q' }
  }
  assert.equal(event.type, 'custom')
  assert.deepEqual(event.payload, expected)
  assert.deepEqual(sent(expected, 'web').payload, expected)
  assert.deepEqual(sent({ text: 'Q', quick_replies }, 'telegram').payload, { text: 'Q', quick_replies })
  assert.deepEqual(sent({ text: 'Q' }, 'web').payload, { text: 'Q' })
})

test('a bot has a short link to its chat while it is mounted', () => {
  const { bp, links } = setting({})
  const process = { EXTERNAL_URL: 'http://h:3000' }
  hook('after_bot_mount/00_create_short_link.js', { bp, botId: 'my-bot', process })
  hook('after_bot_unmount/00_delete_short_link.js', { bp, botId: 'my-bot', process })
  const [[name, destination, params], removed] = links
  assert.equal(name, 'my-bot')
  assert.equal(
    `${destination}?${new URLSearchParams(params)}`,
    'http://h:3000/lite/my-bot/?m=channel-web&v=Fullscreen&options=%7B%22hideWidget%22%3Atrue%2C%22config%22%3A%7B%22enableReset%22%3Atrue%2C%22enableTranscriptDownload%22%3Atrue%7D%7D'
  )
  assert.deepEqual(removed, ['my-bot'])
})
