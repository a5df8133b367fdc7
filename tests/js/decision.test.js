const { test } = require('node:test')
const assert = require('node:assert/strict')
const { decision } = require('./load')

const { rank, elect, sent } = decision()
const options = { minimumConfidence: 0.3, repeatWindow: 20_000 }
const suggestion = (confidence, sourceDetails, more) => ({
  confidence,
  source: 'qna',
  sourceDetails,
  payloads: [{ type: 'typing', value: true }, { type: 'text', text: `answer ${sourceDetails}` }],
  ...more
})
const event = (suggestions, session = { lastMessages: [] }, context = {}) => ({
  id: '1',
  preview: 'hi',
  suggestions,
  state: { session, context }
})
const decisions = event => event.suggestions.map(({ sourceDetails, decision }) => [sourceDetails, decision.status, decision.reason])

test('the best suggestion is elected, whatever it carried before, and the list is ranked in place', () => {
  const list = [suggestion(0.2, 'low'), suggestion(0.5, 'mid'), suggestion(0.9, 'top', { decision: { status: 'dropped', reason: 'x' } })]
  const it = event(list)
  rank(it, options)
  assert.equal(it.suggestions, list)
  assert.deepEqual(decisions(it), [
    ['top', 'elected', 'best suggestion, confidence of 90 %'],
    ['mid', 'dropped', 'best suggestion already elected'],
    ['low', 'dropped', 'confidence of 20 % is below the minimum of 30 %']
  ])
})

test('equal confidence keeps the order of arrival, and the minimum itself is enough', () => {
  const it = event([suggestion(0.3, 'first'), suggestion(0.3, 'second')])
  rank(it, options)
  assert.deepEqual(decisions(it).map(row => row.slice(0, 2)), [['first', 'elected'], ['second', 'dropped']])
})

test('the last turn does not repeat itself within the window', () => {
  const turn = ago => ({ lastMessages: [{ replySource: 'qna a', replyDate: new Date(Date.now() - ago).toISOString() }] })
  const statuses = (session, options) => {
    const it = event([suggestion(0.9, 'a'), suggestion(0.8, 'b')], session)
    rank(it, options)
    return it.suggestions.map(({ decision }) => decision.status)
  }
  assert.deepEqual(statuses(turn(1_000), options), ['dropped', 'elected'])
  assert.deepEqual(statuses(turn(60_000), options), ['elected', 'dropped'])
  assert.deepEqual(statuses(turn(1_000), { ...options, repeatWindow: 0 }), ['elected', 'dropped'])
  assert.deepEqual(statuses({}, options), ['elected', 'dropped'])
})

test('nothing breaks into a flow', () => {
  const it = event([suggestion(0.9, 'a')], undefined, { currentFlow: 'main.flow.json' })
  rank(it, options)
  assert.deepEqual(decisions(it), [['a', 'dropped', 'would break into the flow "main.flow.json"']])
  assert.equal(elect(it), undefined)
})

test('ill-formed suggestions are dropped with a reason, never sent', () => {
  const it = event([null, 'x', { source: 'a' }, { confidence: NaN, payloads: [] }, { confidence: 1 }, Object.freeze(suggestion(0.4, 'ok'))])
  rank(it, options)
  assert.equal(it.suggestions[0].decision.status, 'elected')
  assert.deepEqual(it.suggestions.slice(1).map(({ decision }) => [decision.status, decision.reason]), [
    ['dropped', 'ill-formed: a suggestion must be an object'],
    ['dropped', 'ill-formed: a suggestion must be an object'],
    ['dropped', 'ill-formed: "confidence" must be a number'],
    ['dropped', 'ill-formed: "confidence" must be a number'],
    ['dropped', 'ill-formed: "payloads" must be an array']
  ])
  const none = event('what?')
  rank(none, options)
  assert.deepEqual(none.suggestions, [])
})

test('a suggestion that throws when it is looked at is dropped with a reason, and the others are elected', () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  const odd = [
    { get confidence() { throw new Error('no') }, payloads: [] },
    { confidence: 1, payloads: [], source: { toString() { throw 'nor this' } } },
    Object.defineProperty(suggestion(1, 'written once'), 'decision', { value: 1 }),
    proxy
  ]
  const it = event([...odd, suggestion(0.9, 'a')])
  rank(it, options)
  assert.deepEqual(it.suggestions.map(({ decision }) => decision.status), ['elected', 'dropped', 'dropped', 'dropped', 'dropped'])
  assert.equal(it.suggestions[0].sourceDetails, 'a')
  const reasons = it.suggestions.slice(1).map(({ decision }) => decision.reason)
  assert.ok(reasons.every(reason => reason.startsWith('ill-formed: it cannot be read: ')), reasons.join())
  assert.equal(reasons[0], 'ill-formed: it cannot be read: no')
  assert.equal(reasons[1], 'ill-formed: it cannot be read: nor this')
})

test('with no suggestion the decision is to run the flow, as recorded', () => {
  const it = event([])
  rank(it, options)
  assert.equal(elect(it), undefined)
  assert.equal(
    JSON.stringify(it.decision),
    '{"decision":{"reason":"no suggestion matched","status":"elected"},"confidence":1,"payloads":[],"source":"decisionEngine","sourceDetails":"execute default flow"}'
  )
})

test('a hook has the last word', () => {
  const it = event([suggestion(0.9, 'a'), suggestion(0.8, 'b')])
  rank(it, options)
  it.suggestions[0].decision = { status: 'dropped', reason: 'not today' }
  it.suggestions[1].decision.status = 'elected'
  it.suggestions.push(null, suggestion(1, 'c'))
  const { suggestion: elected } = elect(it)
  assert.equal(elected.sourceDetails, 'b')
  assert.equal(it.decision, elected)
})

test('redirects are not said but followed, and the turn is noted', () => {
  const redirect = { type: 'redirect', flow: 'a.flow.json', node: 'entry' }
  const it = event([suggestion(0.9, 'a', { payloads: [redirect, { type: 'text', text: 'said' }] })], {})
  rank(it, options)
  const elected = elect(it)
  assert.deepEqual(elected.payloads, [{ type: 'text', text: 'said' }])
  assert.deepEqual(elected.redirect, { flow: 'a.flow.json', node: 'entry' })
  sent(it)
  const [turn] = it.state.session.lastMessages
  assert.deepEqual(Object.keys(turn), ['eventId', 'incomingPreview', 'replyConfidence', 'replySource', 'replyDate', 'replyPreview'])
  assert.deepEqual({ ...turn, replyDate: 0 }, {
    eventId: '1',
    incomingPreview: 'hi',
    replyConfidence: 0.9,
    replySource: 'qna a',
    replyDate: 0,
    replyPreview: 'said'
  })
})
