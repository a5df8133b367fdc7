const { test } = require('node:test')
const assert = require('node:assert/strict')
const { action, actionNames, actionText, docs } = require('./load')
const { run, setting } = require('./acting')

const ALL = [
  ...['decrement', 'increment', 'set'].map(name => `analytics/${name}`),
  ...['call_api', 'choice_invalid_answer', 'choice_parse_answer', 'send_email'].map(name => `basic-skills/${name}`),
  ...['slot_fill', 'slot_not_found', 'slot_reset', 'slot_update_contexts'].map(name => `basic-skills/${name}`),
  ...['appendContext', 'getGlobalVariable', 'getNumberOfConversations', 'incrementNumberOfConversations'].map(name => `builtin/${name}`),
  ...['removeContext', 'removeVariable', 'resetContext', 'resetGlobalVariable', 'resetSession'].map(name => `builtin/${name}`),
  ...['sendFeedback', 'setGlobalVariable', 'setVariable', 'storeFileLocally', 'switchLanguage', 'wait'].map(name => `builtin/${name}`),
  'channel-web/sendDataToChat'
]

test('every action says what it is, and names its arguments', () => {
  assert.deepEqual(actionNames(), ALL)
  for (const name of actionNames()) {
    const text = actionText(name)
    const [, doc] = /^\/\*\*\n([^]*?)\n \*\/\n/.exec(text) || assert.fail(name)
    const lines = doc.split('\n').map(line => line.replace(/^ \* /, ''))
    assert.match(lines[0], /^[A-Z].*[.`]/, name)
    for (const tag of ['title', 'category', 'author']) {
      assert.ok(lines.some(line => line.startsWith(`@${tag} `)), `${name}: @${tag}`)
    }
    const documented = lines.filter(line => line.startsWith('@param')).map(line => {
      const [, param] = /^@param \{\w+\} \[?(\w+)(?:=[^\]]+)?\]? - [A-Z]?.+$/.exec(line) || assert.fail(`${name}: ${line}`)
      return param
    })
    const direct = [...text.slice(doc.length).matchAll(/args\.(\w+)/g)].map(match => match[1])
    const parted = [...text.matchAll(/const \{ ([^}]*) \} = args\b/g)].flatMap(match => match[1].split(', '))
    // The older name of `entities`.
    const used = [...direct, ...parted].filter(param => param !== 'entity')
    assert.deepEqual([...new Set(used)].sort(), [...new Set(documented)].sort(), name)
  }
})

// -- memory ----------------------------------------------------------------------------------------------------------

test('setVariable writes to the user, the session, the dialog and the bot', async () => {
  for (const type of ['user', 'session', 'temp']) {
    const state = await run('builtin/setVariable', { type, name: 'city', value: 'Rome' })
    assert.equal(state[type].city, 'Rome', type)
    assert.deepEqual(state.calls, [])
  }
  const { bot, calls } = await run('builtin/setVariable', { type: 'bot', name: 'a.b', value: { x: 1 } })
  assert.deepEqual(bot, { 'a.b': { x: 1 } })
  assert.deepEqual(calls, [['set', 'shop', 'global', { x: 1 }, ['a.b']]])
})

test('setVariable keeps 0 and false, and removes with null, the text null, an empty text and nothing', async () => {
  for (const value of [0, false, 'no', []]) {
    assert.deepEqual((await run('builtin/setVariable', { type: 'temp', name: 'x', value })).temp, { x: value })
  }
  for (const value of [null, 'null', '', undefined]) {
    const state = { temp: { x: 1, y: 2 }, bot: { x: 1 } }
    assert.deepEqual((await run('builtin/setVariable', { type: 'temp', name: 'x', value }, { state })).temp, { y: 2 })
    const { bot, calls } = await run('builtin/setVariable', { type: 'bot', name: 'x', value }, { state })
    assert.deepEqual([bot, calls], [{}, [['delete', 'shop', 'global', ['x']]]])
  }
})

test('setVariable writes to the memory that a hook put in its place', async () => {
  const it = setting()
  const { temp } = it.event.state
  Object.defineProperty(it.event, 'state', { value: { ...it.event.state, temp: {} } })
  await action('builtin/setVariable', { ...it, args: { type: 'temp', name: 'x', value: 1 } })
  assert.deepEqual([temp, it.event.state.temp], [{}, { x: 1 }])
})

test('removeVariable removes', async () => {
  const state = { session: { x: 1 }, bot: { x: 1, y: 2 } }
  assert.deepEqual((await run('builtin/removeVariable', { type: 'session', name: 'x' }, { state })).session, {})
  const { bot, calls } = await run('builtin/removeVariable', { type: 'bot', name: 'x' }, { state })
  assert.deepEqual([bot, calls], [{ y: 2 }, [['delete', 'shop', 'global', ['x']]]])
})

test('wrong arguments of the memory are named', async () => {
  for (const name of ['setVariable', 'removeVariable']) {
    const wrong = args => assert.rejects(run(`builtin/${name}`, args), new RegExp(`^TypeError: ${name}: "`))
    await wrong({ type: 'context', name: 'x', value: 1 })
    await wrong({ name: 'x', value: 1 })
    await wrong({ type: 'temp', name: '', value: 1 })
    await wrong({ type: 'temp', value: 1 })
  }
})

test('global variables are set, read and reset', async () => {
  const set = await run('builtin/setGlobalVariable', { name: 'x', value: 5, expiry: '10m', output: 'y' })
  assert.deepEqual(set.calls, [['setStorageWithExpiry', 'shop', 'global/x', 5, '10m']])
  assert.deepEqual(set.temp, { y: 5 })
  const forever = await run('builtin/setGlobalVariable', { name: 'x', value: 5, expiry: '' })
  assert.deepEqual([forever.calls[0][4], forever.temp], ['never', {}])
  const reset = await run('builtin/resetGlobalVariable', { name: 'x' })
  assert.deepEqual(reset.calls, [['delete', 'shop', 'global/x']])

  const it = setting()
  it.bp.kvs.getStorageWithExpiry = async (...args) => args.join()
  assert.deepEqual((await action('builtin/getGlobalVariable', { ...it, args: { name: 'x', output: 'y' } })).temp, { y: 'shop,global/x' })
})

test('conversations are counted by user', async () => {
  const { calls } = await run('builtin/incrementNumberOfConversations')
  assert.deepEqual(calls, [['increment', 'shop', 'users/ann/numberOfConversations']])
  for (const [stored, read] of [[undefined, 0], [3, 3]]) {
    const it = setting()
    it.bp.kvs.get = async (bot, key) => (key === 'users/ann/numberOfConversations' ? stored : assert.fail(key))
    assert.deepEqual((await action('builtin/getNumberOfConversations', { ...it, args: { output: 'n' } })).temp, { n: read })
  }
})

test('resetSession empties session and temp in place and leaves the rest', async () => {
  const state = { user: { name: 'Ann' }, session: { a: 1, lastMessages: [{}] }, temp: { b: 1 }, context: { currentNode: 'n' } }
  const { user, session, temp, context } = await run('builtin/resetSession', {}, { state })
  assert.deepEqual([user, session, temp, context], [{ name: 'Ann' }, { lastMessages: [] }, {}, { currentNode: 'n' }])
  assert.ok(session === state.session && temp === state.temp)
})

// -- contexts, language, waiting -------------------------------------------------------------------------------------

test('contexts are appended with their turns, removed and reset', async () => {
  const state = { session: { nluContexts: [{ context: 'a', ttl: 5 }, { context: 'b', ttl: 1 }] } }
  const contexts = async (name, args, given = { state: structuredClone(state) }) =>
    (await run(`builtin/${name}`, args, given)).session.nluContexts
  assert.deepEqual(await contexts('appendContext', { contexts: 'c, d' }, {}), [{ context: 'c', ttl: 1 }, { context: 'd', ttl: 1 }])
  assert.deepEqual(await contexts('appendContext', { contexts: 'a', ttl: '3' }), [{ context: 'b', ttl: 1 }, { context: 'a', ttl: 3 }])
  assert.deepEqual(await contexts('appendContext', { contexts: 'c', ttl: 0 }, {}), [{ context: 'c' }])
  assert.deepEqual(await contexts('appendContext', {}), state.session.nluContexts)
  assert.deepEqual(await contexts('removeContext', { contexts: 'b,c' }), [{ context: 'a', ttl: 5 }])
  assert.deepEqual(await contexts('removeContext', { contexts: 'b' }, {}), [])
  assert.deepEqual(await contexts('resetContext', {}), [])
  assert.deepEqual(await contexts('resetContext', { contexts: 'z' }), [{ context: 'z', ttl: 1 }])
})

test('switchLanguage sets the language of the user', async () => {
  assert.deepEqual((await run('builtin/switchLanguage', { lang: 'fr' })).user, { language: 'fr' })
  await assert.rejects(run('builtin/switchLanguage', {}), /"lang" must be the code of a language, got undefined/)
})

test('wait waits for a number of milliseconds', async () => {
  for (const [delay, expected] of [[50, 50], ['50', 50], [undefined, 1000], ['', 1000], [0, 0]]) {
    const timers = []
    let over = false
    const setTimeout = (then, ms) => timers.push([then, ms])
    const waiting = run('builtin/wait', { delay }, {}, {}, { setTimeout }).then(() => (over = true))
    await new Promise(setImmediate)
    const [[then, ms]] = timers
    assert.deepEqual([over, ms], [false, expected])
    then()
    await waiting
  }
  await assert.rejects(run('builtin/wait', { delay: 'soon' }), /"delay" must be a number of milliseconds, got "soon"/)
  await assert.rejects(run('builtin/wait', { delay: -1 }), /"delay"/)
})

// -- what goes out ---------------------------------------------------------------------------------------------------

test('feedback is kept for the event that was answered', async () => {
  const state = { session: { lastMessages: [{ eventId: '5' }, { eventId: '6' }, { eventId: '7' }] } }
  const { calls, event } = await run('builtin/sendFeedback', { feedback: '1' }, { state })
  const kept = { feedback: 1, type: undefined, channel: 'web', target: 'ann', threadId: '1', on: event.createdOn }
  assert.deepEqual(calls, [['set', 'shop', 'feedback/6', kept]])
  const named = await run('builtin/sendFeedback', { feedback: -1, eventId: '3', type: 'qna' })
  assert.deepEqual([named.calls[0][2], named.calls[0][3].type], ['feedback/3', 'qna'])
  const warned = []
  const early = await run('builtin/sendFeedback', { feedback: 1 }, {}, {}, { console: { warn: text => warned.push(text) } })
  assert.deepEqual(early.calls, [])
  assert.match(warned.join(), /the bot has said nothing yet/)
  await assert.rejects(run('builtin/sendFeedback', { feedback: 2 }, { state }), /"feedback" must be 1 or -1, got 2/)
})

test('storeFileLocally stores what the address of the event leads to', async () => {
  const saved = []
  const bp = {
    cms: {
      saveFile: async (bot, name, data) => saved.push([bot, name, String(data)]) && `x-${name}`,
      getFilePath: (bot, name) => `/media/${bot}/${name}`
    }
  }
  const it = setting({ payload: { url: 'https://h/a/my%20cat.png?x=1' } }, bp)
  const axios = async request => {
    assert.deepEqual(request, { method: 'get', url: 'https://h/a/my%20cat.png?x=1', responseType: 'arraybuffer' })
    return { data: new TextEncoder().encode('meow').buffer }
  }
  await action('builtin/storeFileLocally', { ...it, args: {}, require: () => axios })
  assert.deepEqual(saved, [['shop', 'my cat.png', 'meow']])
  assert.equal(it.event.payload.url, '/media/shop/x-my cat.png')
  assert.equal(it.event.state.temp.storedFile, it.event.payload.url)

  const said = []
  const console = { warn: text => said.push(text), error: text => said.push(text) }
  const without = await run('builtin/storeFileLocally', { output: 'x' }, { state: { temp: { x: 'old', y: 1 } } }, bp, { console })
  assert.deepEqual(without.temp, { y: 1 })
  const lost = setting({ payload: { url: 'https://h/x' } }, bp)
  const fails = () => Promise.reject(new Error('no such host'))
  await action('builtin/storeFileLocally', { ...lost, args: {}, require: () => fails, globals: { console } })
  assert.deepEqual([lost.event.state.temp, lost.event.payload.url], [{}, 'https://h/x'])
  assert.match(said[0], /nothing was stored/)
  assert.equal(said[1], 'storeFileLocally: https://h/x was not stored: no such host')
})

test('sendDataToChat tells the page of a web visitor', async () => {
  const sent = []
  const bp = {
    RealTimePayload: { forVisitor: (...args) => args },
    realtime: { sendPayload: payload => sent.push(payload) }
  }
  await run('channel-web/sendDataToChat', { data: { a: 1 } }, {}, bp)
  await run('channel-web/sendDataToChat', { data: { a: 1 } }, { channel: 'api' }, bp)
  assert.deepEqual(sent, [['ann', 'webchat.data', { payload: { a: 1 } }]])
})

test('metrics are counted by day and group', async () => {
  const at = group => ['2026-03-04', group]
  const call = async (name, args) => (await run(`analytics/${name}`, args)).calls[0]
  assert.deepEqual(await call('increment', { metric: 'm' }), ['increment', 'shop', 'analytics/m', 1, at('all')])
  assert.deepEqual(await call('increment', { metric: 'm', count: '2', group: 'g' }), ['increment', 'shop', 'analytics/m', 2, at('g')])
  assert.deepEqual(await call('decrement', { metric: 'm', count: 3 }), ['increment', 'shop', 'analytics/m', -3, at('all')])
  assert.deepEqual(await call('set', { metric: 'm', count: '0' }), ['set', 'shop', 'analytics/m', 0, at('all')])
  for (const name of ['increment', 'decrement', 'set']) {
    await assert.rejects(run(`analytics/${name}`, { metric: '', count: 1 }), /a text "metric" and a number "count" are needed/)
    await assert.rejects(run(`analytics/${name}`, { metric: 'm', count: 'x' }), /needed, got \{"metric":"m","count":"x"\}/)
  }
  await assert.rejects(run('analytics/set', { metric: 'm' }), /needed/)
})

test('send_email says what to do instead', async () => {
  await assert.rejects(run('basic-skills/send_email', { toAddresses: 'a@b.c' }), /sends no mail; call the HTTP API of a mail service/)
})

test('docs/actions.md has every action with its arguments', () => {
  const page = docs('actions.md')
  const rows = page.matchAll(/`((?:builtin|basic-skills|analytics|channel-web)\/\w+)(?: \{([^`{}"]*)\})?`/g)
  const documented = new Map()
  for (const [, name, args] of rows) {
    if (args || !documented.has(name)) {
      documented.set(name, args ? args.split(', ') : [])
    }
  }
  for (const name of ALL) {
    const params = [...actionText(name).matchAll(/^ \* @param \{\w+\} (\[?)(\w+)/gm)].map(([, open, param]) => param + (open && '?'))
    assert.deepEqual(documented.get(name), params, name)
  }
})
