const { test } = require('node:test')
const assert = require('node:assert/strict')
const { action, cms, json } = require('./load')
const { run, setting } = require('./acting')

// -- choices ---------------------------------------------------------------------------------------------------------

const elements = {
  'builtin_single-choice-size': {
    contentType: 'builtin_single-choice',
    formData: {
      text$en: 'Which size?',
      choices$en: [{ title: 'Small', value: 'S' }, { title: 'Large', value: 'L' }, { title: 'Any', value: 'ANY' }],
      choices$fr: [{ title: 'Grand', value: 'L' }, { title: 'Petit', value: 'S' }]
    }
  },
  'dropdown-size': { contentType: 'dropdown', formData: { message: 'Size?', options: [{ label: 'Small', value: 'S' }] } }
}
const keywords = { S: ['S', 'small', 'intent:little'], L: ['L', 'large', 'intent:much'], ANY: ['any size', ''] }

/** What the memory holds after an answer to the choice; `config` is that of the module. */
const answered = async (answer, { args, temp = {}, user = {}, config = { matchNumbers: true }, defaultLanguage = 'en' } = {}) => {
  const it = cms({ elements, botId: 'shop', defaultLanguage })
  const bp = {
    cms: { getContentElement: async (...given) => it.getContentElement(...given) },
    bots: { getBotById: async () => ({ defaultLanguage }) },
    config: { getModuleConfigForBot: async (module, bot) => (module === 'basic-skills' && bot === 'shop' ? config : assert.fail()) }
  }
  const given = typeof answer === 'string' ? { preview: answer, payload: { type: 'text', text: answer } } : answer
  const all = { contentId: 'builtin_single-choice-size', keywords, ...args }
  const state = await run('basic-skills/choice_parse_answer', all, { ...given, state: { temp, user } }, bp)
  return state.temp
}
const valid = value => ({ 'skill-choice-valid': true, 'skill-choice-ret': value })
const invalid = { 'skill-choice-valid': false }

test('a choice is taken by its number in the list', async () => {
  for (const text of ['2', ' 2 ', '2.', '2)', '#2']) {
    assert.deepEqual(await answered(text), valid('L'), text)
  }
  for (const text of ['0', '4', '12', '2 of them', '-2', '2.5']) {
    assert.deepEqual(await answered(text), invalid, text)
  }
})

test('a list is counted in the language of the user, or else in that of the bot', async () => {
  assert.deepEqual(await answered('1', { user: { language: 'fr' } }), valid('L'))
  assert.deepEqual(await answered('1', { defaultLanguage: 'fr' }), valid('L'))
  assert.deepEqual(await answered('3', { user: { language: 'fr' } }), invalid)
})

test('the element of a choice may be written with or without its marks, and be a dropdown', async () => {
  for (const mark of ['!', '#!']) {
    assert.deepEqual(await answered('2', { args: { contentId: `${mark}builtin_single-choice-size` } }), valid('L'))
  }
  assert.deepEqual(await answered('1', { args: { contentId: 'dropdown-size' } }), valid('S'))
  assert.deepEqual(await answered('1', { args: { contentId: 'builtin_single-choice-gone' } }), invalid)
})

test('numbers are no answers where matchNumbers is off', async () => {
  assert.deepEqual(await answered('2', { config: { matchNumbers: false } }), invalid)
  assert.deepEqual(await answered('2', { config: {} }), valid('L'), 'it is on by default')
})

test('a choice is taken by its intent', async () => {
  assert.deepEqual(await answered({ preview: 'huge', nlu: { intent: { name: 'much' } } }), valid('L'))
  assert.deepEqual(await answered({ preview: 'huge', nlu: { intent: { name: 'muc' } } }), invalid)
  assert.deepEqual(await answered({ preview: 'huge', nlu: undefined }), invalid)
  assert.deepEqual(await answered('intent'), invalid, 'nobody says an intent')
  assert.deepEqual(await answered('intent:much', { args: { keywords: { X: ['intent:much'] } } }), invalid)
})

test('an intent comes before a keyword within the text, a number before both', async () => {
  const nlu = { intent: { name: 'much' } }
  assert.deepEqual(await answered({ preview: 'not so small', payload: {}, nlu }), valid('L'))
  assert.deepEqual(await answered({ preview: '1', payload: {}, nlu }), valid('S'))
})

test('a choice is taken by a keyword within preview or text, without regard to case', async () => {
  assert.deepEqual(await answered('the LARGE one, please'), valid('L'))
  assert.deepEqual(await answered({ preview: 'x', payload: { text: 'Any Size will do' } }), valid('ANY'))
  assert.deepEqual(await answered({ preview: 'x', payload: { payload: 'take ANY SIZE' } }), valid('ANY'))
  assert.deepEqual(await answered('huge'), invalid)
  assert.deepEqual(await answered(''), invalid, 'an empty keyword stands for nothing')
  assert.deepEqual(await answered({ payload: undefined, preview: undefined }), invalid)
})

test('an answer that is all of a keyword comes before one that only holds a keyword', async () => {
  const keywords = { NO: ['no'], KNOW: ['I know'], NOTHING: ['nothing', 'no way'] }
  const said = text => answered(text, { args: { keywords } }).then(temp => temp['skill-choice-ret'])
  assert.equal(await said('No'), 'NO')
  assert.equal(await said('i KNOW'), 'KNOW')
  assert.equal(await said('Nothing '), 'NOTHING')
  assert.equal(await said('nothing more'), 'NOTHING', 'the longest one that is within')
  assert.equal(await said('there is no way'), 'NOTHING')
  assert.equal(await said('oh no'), 'NO')
})

test('what was clicked is the value itself', async () => {
  // Quick replies carry the value in upper case.
  const click = (payload, text) => answered({ type: 'quick_reply', preview: text, payload: { type: 'quick_reply', text, payload } }, {
    args: { keywords: { blue: ['small'], green: ['sea'], 7: ['seven'], 1: ['one'] } }
  })
  assert.deepEqual(await click('BLUE', 'The sea'), valid('blue'))
  assert.deepEqual(await click('GREEN', 'The sea'), valid('green'))
  assert.deepEqual(await click('1', 'One'), valid('1'), 'a value that is a number is no place in the list')
  assert.deepEqual(await click(7, 'x'), valid('7'))
})

test('keywords may be JSON, and one word instead of a list', async () => {
  assert.deepEqual(await answered('large', { args: { keywords: JSON.stringify(keywords) } }), valid('L'))
  assert.deepEqual(await answered('large', { args: { keywords: { L: 'large' } } }), valid('L'))
  assert.deepEqual(await answered('large', { args: { keywords: '' } }), invalid)
  assert.deepEqual(await answered('large', { args: { keywords: undefined } }), invalid)
})

test('an invalid answer takes back the earlier one', async () => {
  assert.deepEqual(await answered('huh', { temp: { ...valid('L'), other: 1 } }), { ...invalid, other: 1 })
})

test('a random id and a variable name are part of the names', async () => {
  const args = { randomId: 'htolzhhho1', config: { nbMaxRetries: 3, variableName: '' } }
  assert.deepEqual(await answered('large', { args }), { 'skill-choice-valid-htolzhhho1': true, 'skill-choice-ret-htolzhhho1': 'L' })
  assert.deepEqual(await answered('huh', { args, temp: valid('S') }), { ...valid('S'), 'skill-choice-valid-htolzhhho1': false })
  const named = { randomId: 'r', config: { variableName: 'size' } }
  assert.deepEqual(await answered('large', { args: named }), {
    'skill-choice-valid-r': true,
    'skill-choice-ret-r': 'L',
    'skill-choice-valid-size': true,
    'skill-choice-ret-size': 'L'
  })
})

test('invalid answers are counted, by random id where there is one', async () => {
  const count = async (temp, args = {}) => (await run('basic-skills/choice_invalid_answer', args, { state: { temp } })).temp
  assert.deepEqual(await count({}), { 'skill-choice-invalid-count': 1 })
  assert.deepEqual(await count({ 'skill-choice-invalid-count': 3 }), { 'skill-choice-invalid-count': 4 })
  assert.deepEqual(await count({}, { randomId: 'r' }), { 'skill-choice-invalid-count-r': 1 })
  const named = { randomId: 'r', config: { variableName: 'size' } }
  assert.deepEqual(await count({}, named), { 'skill-choice-invalid-count-r': 1, 'skill-choice-invalid-count-size': 1 })
})

test('a new round of a choice has all its attempts', async () => {
  const args = { config: { nbMaxRetries: 3 } }
  const left = count => answered('huh', { args, temp: { 'skill-choice-invalid-count': count } })
  assert.deepEqual(await answered('large', { args, temp: { 'skill-choice-invalid-count': 2 } }), valid('L'))
  assert.deepEqual(await left(3), { ...invalid, 'skill-choice-invalid-count': 3 })
  assert.deepEqual(await left(4), invalid)
})

// -- calling an API --------------------------------------------------------------------------------------------------

/** Calls the API that `answer` is; gives the state and the request. */
const called = async (args, answer = async () => ({ data: 'fine', status: 200 }), given = {}) => {
  const { renderTemplate } = cms()
  const it = setting(given, { cms: { renderTemplate } })
  const requests = []
  const axios = request => (requests.push(request), answer(request))
  const globals = { console: { error: text => requests.push(text) } }
  const state = await action('basic-skills/call_api', { ...it, args, globals, require: name => (name === 'axios' ? axios : assert.fail(name)) })
  const [{ validateStatus, ...request }, logged] = requests
  assert.ok(validateStatus(500))
  return { ...state, request: json(request), logged }
}

test('the answer of an API is kept where the skill says, and whether it was fine', async () => {
  const { session, temp, request } = await called({ url: 'https://h/x', method: 'get', memory: 'session', variable: 'answer', body: 'x' })
  assert.deepEqual(session.answer, { body: 'fine', status: 200 })
  assert.deepEqual(temp, { valid: true })
  assert.deepEqual(request, { method: 'get', url: 'https://h/x', headers: {} })
  const plain = await called({ url: 'https://h/x' }, async () => ({ data: { error: 'gone' }, status: 404 }))
  assert.deepEqual(plain.temp, { response: { body: { error: 'gone' }, status: 404 }, valid: false })
})

test('an API that does not answer is no error of the dialog', async () => {
  const { temp, logged } = await called({ url: 'https://h/x' }, async () => {
    throw new Error('connect ECONNREFUSED')
  })
  assert.deepEqual(temp, { response: { body: { error: 'connect ECONNREFUSED' }, status: 0 }, valid: false })
  assert.equal(logged, 'call_api: get https://h/x failed: connect ECONNREFUSED')
})

test('body and headers are JSON or objects, with templates inside', async () => {
  const given = { state: { session: { token: 't&t' }, user: { id: 5 } } }
  const send = async args => (await called({ url: 'u', method: 'POST', ...args }, undefined, given)).request
  const headers = { Authorization: 'Bearer {{{session.token}}}', 'Content-type': 'application/json' }
  const expected = { Authorization: 'Bearer t&t', 'Content-type': 'application/json' }
  assert.deepEqual((await send({ headers })).headers, expected)
  assert.deepEqual((await send({ headers: JSON.stringify(expected) })).headers, expected)
  assert.equal((await send({})).method, 'post')
  assert.deepEqual((await send({ body: '{\n"rate": "2"\n}' })).data, { rate: '2' })
  assert.deepEqual((await send({ body: { id: '{{user.id}}', n: 1 } })).data, { id: '5', n: 1 })
  assert.equal((await send({ body: 'plain text' })).data, 'plain text')
  assert.equal((await send({ body: '"{{user.id}}"' })).data, '{{user.id}}', 'the engine has rendered texts already')
})

test('the memory of a call is one that is kept', async () => {
  await assert.rejects(called({ url: 'u', memory: 'bot' }), /"memory" must be user, session or temp, got "bot"/)
})

// -- slots -----------------------------------------------------------------------------------------------------------

test('a slot is filled by what the NLU found, or else by an entity of one of its kinds', async () => {
  const slot = { name: 'city', value: 'Rome', source: 'rome' }
  const filled = async (args, nlu, session = {}) => {
    const { extractedSlots } = (await run('basic-skills/slot_fill', { slotName: 'city', ...args }, { nlu, state: { session } })).session
    return extractedSlots
  }
  const { city } = await filled({}, { slots: { city: slot }, entities: [] })
  assert.equal(typeof city.timestamp, 'number')
  assert.deepEqual({ ...city, timestamp: 0 }, { ...slot, timestamp: 0, turns: 0, overwritable: true, expiresAfterTurns: false })
  const entities = [{ name: 'any', type: 'pattern', data: { value: 'x' } }, { name: 'place', type: 'list', data: { value: 'Oslo' } }]
  for (const kinds of [{ entities: ['town', 'place'] }, { entities: 'town, place' }, { entity: 'place' }, { entities: 'list' }]) {
    const { city } = await filled(kinds, { slots: {}, entities })
    assert.deepEqual([city.name, city.value, city.entity], ['city', 'Oslo', entities[1]])
  }
  assert.equal((await filled({ turnsExpiry: '5' }, { slots: { city: slot } })).city.expiresAfterTurns, 5)
  assert.equal((await filled({ turnsExpiry: -1 }, { slots: { city: slot } })).city.expiresAfterTurns, false)
  const kept = { extractedSlots: { city: { value: 'Bern' }, notFound: 2 } }
  assert.deepEqual(await filled({ entities: 'town' }, { slots: {}, entities }, kept), kept.extractedSlots)
  assert.equal(await filled({}, undefined), undefined)
  const after = await filled({}, { slots: { city: slot } }, structuredClone(kept))
  assert.deepEqual([after.city.value, 'notFound' in after], ['Rome', false])
})

test('answers without the slot are counted up to the last attempt', async () => {
  let state = { session: {}, temp: {} }
  const seen = []
  for (let attempt = 1; attempt <= 3; attempt++) {
    state = await run('basic-skills/slot_not_found', { retryAttempts: '3' }, { state })
    seen.push([state.session.extractedSlots.notFound, state.temp.notExtracted])
  }
  assert.deepEqual(seen, [[1, undefined], [2, undefined], [3, 'true']])
  const once = await run('basic-skills/slot_not_found', { retryAttempts: 1 })
  assert.equal(once.temp.notExtracted, 'true')
})

test('slots are reset, all or one', async () => {
  const reset = async (args, session) => (await run('basic-skills/slot_reset', args, { state: { session } })).session
  const extractedSlots = { a: {}, b: {}, notFound: 1 }
  assert.deepEqual(await reset({}, { extractedSlots, x: 1 }), { extractedSlots: {}, x: 1 })
  assert.deepEqual(await reset({ slotName: 'a' }, { extractedSlots: { ...extractedSlots } }), { extractedSlots: { b: {}, notFound: 1 } })
  assert.deepEqual(await reset({ slotName: 'a' }, {}), {})
})

test('a slot begins afresh, in the contexts of its intent where intents can be read', async () => {
  const marks = { extracted: 'true', notExtracted: 'true', alreadyExtracted: 'true', valid: 'false' }
  const state = () => ({ temp: { ...marks, x: 1 }, session: { extractedSlots: { a: {}, notFound: 2 }, nluContexts: [{ context: 'z' }] } })
  const plain = await run('basic-skills/slot_update_contexts', { intentName: 'book' }, { state: state() })
  assert.deepEqual(plain.temp, { x: 1 })
  assert.deepEqual(plain.session, { extractedSlots: { a: {} }, nluContexts: [{ context: 'z' }] })
  const files = {
    fileExists: async (folder, file) => folder === 'intents' && file === 'book.json',
    readFileAsObject: async () => ({ contexts: ['global', 'trips'] })
  }
  const ghost = { forBot: bot => (bot === 'shop' ? files : assert.fail(bot)) }
  const begun = async intentName => (await run('basic-skills/slot_update_contexts', { intentName }, { state: state() }, { ghost })).session
  assert.deepEqual((await begun('book')).nluContexts, [{ context: 'global' }, { context: 'trips' }])
  assert.deepEqual((await begun('none')).nluContexts, [{ context: 'z' }])
  assert.deepEqual((await run('basic-skills/slot_update_contexts', {})).session, { lastMessages: [] })
})
