for (const { sourceDetails, confidence, decision } of suggestions) console.log(sourceDetails, confidence, decision.status, decision.reason.replace(/[\d.]+ s ago/, 'N s ago'))
if (event.payload.text === 'edit') {
  suggestions[0].decision = { status: 'dropped', reason: 'by a hook' }
  suggestions[1].decision = { status: 'elected', reason: 'by a hook' }
  suggestions.push({ confidence: 1, payloads: [], source: 'mine', decision: { status: 'dropped', reason: 'late' } })
}
