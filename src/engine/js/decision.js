// Which of an event's suggestions is said, if any: `rank`, then the hooks before_suggestions_election, then `elect`,
// and `sent` once the elected one's payloads have been handed on.
(function () {
  'use strict'

  const isObject = value => typeof value === 'object' && value !== null

  // What is wrong with a suggestion, or undefined.
  function fault(suggestion) {
    const { confidence, payloads } = suggestion
    if (typeof confidence !== 'number' || !Number.isFinite(confidence)) {
      return 'ill-formed: "confidence" must be a number'
    }
    if (!Array.isArray(payloads)) {
      return 'ill-formed: "payloads" must be an array'
    }
    return undefined
  }

  function decide(suggestion, status, reason) {
    suggestion.decision = { status, reason }
  }

  const percent = confidence => `${Math.round(confidence * 1000) / 10} %`

  // `<source> <sourceDetails>`, as a turn of the session keeps it.
  function sourceOf({ source, sourceDetails }) {
    return [source, sourceDetails].filter(part => part !== undefined && part !== null && part !== '').join(' ')
  }

  function lastTurn(event) {
    const { lastMessages } = event.state.session
    return Array.isArray(lastMessages) ? lastMessages[lastMessages.length - 1] : undefined
  }

  // How long ago the last turn said the same, in milliseconds, or undefined.
  function repeated(turn, suggestion, now) {
    const source = sourceOf(suggestion)
    if (!isObject(turn) || !source || turn.replySource !== source) {
      return undefined
    }
    const ago = now - new Date(turn.replyDate).getTime()
    return Number.isNaN(ago) ? undefined : Math.max(0, ago)
  }

  // Ranks `event.suggestions` in place and gives each its decision.
  // `options` is `{ minimumConfidence, repeatWindow }`, the latter in milliseconds and 0 for "may repeat itself".
  function rank(event, options) {
    if (!Array.isArray(event.suggestions)) {
      event.suggestions = []
      return
    }
    const { suggestions } = event
    const faults = new Map()
    for (let index = 0; index < suggestions.length; index++) {
      let suggestion = suggestions[index]
      if (!isObject(suggestion)) {
        suggestion = { confidence: 0, payloads: [], source: 'unknown' }
        faults.set(suggestion, 'ill-formed: a suggestion must be an object')
      } else {
        let wrong
        try {
          // A decision is written onto each.
          suggestion = Object.isExtensible(suggestion) ? suggestion : { ...suggestion }
          suggestion.decision = undefined
          sourceOf(suggestion)
          wrong = fault(suggestion)
        } catch (error) {
          // One that throws when it is looked at must not take the others and the event's state with it.
          suggestion = { confidence: 0, payloads: [], source: 'unknown' }
          wrong = `ill-formed: it cannot be read: ${isObject(error) ? error.message : error}`
        }
        if (wrong !== undefined) {
          faults.set(suggestion, wrong)
        }
      }
      suggestions[index] = suggestion
    }
    const weight = suggestion => (faults.has(suggestion) ? -Infinity : suggestion.confidence)
    suggestions.sort((a, b) => {
      const [left, right] = [weight(a), weight(b)]
      return left === right ? 0 : left < right ? 1 : -1
    })

    const turn = lastTurn(event)
    const now = Date.now()
    let best
    for (const suggestion of suggestions) {
      const ago = options.repeatWindow > 0 ? repeated(turn, suggestion, now) : undefined
      if (faults.has(suggestion)) {
        decide(suggestion, 'dropped', faults.get(suggestion))
      } else if (suggestion.confidence < options.minimumConfidence) {
        const limit = percent(options.minimumConfidence)
        decide(suggestion, 'dropped', `confidence of ${percent(suggestion.confidence)} is below the minimum of ${limit}`)
      } else if (ago !== undefined && ago < options.repeatWindow) {
        const seconds = Math.round(ago / 100) / 10
        decide(suggestion, 'dropped', `would repeat itself: the last turn, ${seconds} s ago, had the same source`)
      } else if (best) {
        decide(suggestion, 'dropped', 'best suggestion already elected')
      } else {
        best = suggestion
        decide(suggestion, 'elected', `best suggestion, confidence of ${percent(suggestion.confidence)}`)
      }
    }

    const { context } = event.state
    if (best && isObject(context) && context.currentFlow) {
      decide(best, 'dropped', `would break into the flow "${context.currentFlow}"`)
    }
  }

  // The suggestion to send, once the hooks have had their say: `{ suggestion, payloads, redirect }` or undefined.
  // `payloads` are those to be said, `redirect` is `{ flow, node }` if the suggestion leads on. Sets `event.decision`.
  function elect(event) {
    const suggestions = Array.isArray(event.suggestions) ? event.suggestions : []
    for (const suggestion of suggestions) {
      if (isObject(suggestion) && isObject(suggestion.decision) && suggestion.decision.status === 'elected') {
        if (!Array.isArray(suggestion.payloads)) {
          decide(suggestion, 'dropped', 'ill-formed: "payloads" must be an array')
          continue
        }
        event.decision = suggestion
        const isRedirect = payload => isObject(payload) && payload.type === 'redirect'
        const redirect = suggestion.payloads.find(payload => isRedirect(payload) && typeof payload.flow === 'string' && payload.flow)
        return {
          suggestion,
          payloads: suggestion.payloads.filter(payload => !isRedirect(payload)),
          redirect: redirect ? { flow: redirect.flow, node: redirect.node } : undefined
        }
      }
    }
    event.decision = {
      decision: { reason: 'no suggestion matched', status: 'elected' },
      confidence: 1,
      payloads: [],
      source: 'decisionEngine',
      sourceDetails: 'execute default flow'
    }
    return undefined
  }

  // Notes the elected suggestion as a turn of the session.
  function sent(event) {
    const suggestion = event.decision
    const { session } = event.state
    if (!Array.isArray(session.lastMessages)) {
      session.lastMessages = []
    }
    const spoken = suggestion.payloads.find(payload => isObject(payload) && typeof payload.text === 'string' && payload.text)
    session.lastMessages.push({
      eventId: event.id,
      incomingPreview: event.preview,
      replyConfidence: suggestion.confidence,
      replySource: sourceOf(suggestion),
      replyDate: new Date().toISOString(),
      replyPreview: spoken ? spoken.text : undefined
    })
  }

  return { rank, elect, sent }
})
