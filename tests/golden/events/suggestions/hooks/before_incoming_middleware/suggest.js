const { text } = event.payload
const one = (confidence, sourceDetails, ...payloads) => ({ confidence, payloads, source: 'qna', sourceDetails })
if (text === 'two') event.suggestions.push(one(0.6, 'b', { type: 'text', text: 'B' }), one(0.9, 'a', { type: 'text', text: 'A' }, { type: 'text', text: 'A2' }))
if (text === 'below') event.suggestions.push(one(0.29, 'low', { type: 'text', text: 'low' }))
if (text === 'at') event.suggestions.push(one(0.3, 'at', { type: 'typing', value: 10 }, { type: 'text', text: 'at the minimum' }))
if (text === 'redirect') event.suggestions.push(one(0.8, 'r', { type: 'text', text: 'R' }, { type: 'redirect', flow: 'other.flow.json', node: 'start' }))
if (text === 'wrong') event.suggestions.push(7, { payloads: [] }, { confidence: NaN, payloads: [] }, { confidence: 1 }, one(0.5, 'right', { type: 'text', text: 'right' }))
if (text === 'skip') { event.suggestions.push(one(0.8, 's', { type: 'text', text: 'S' }, { type: 'redirect', flow: 'x' })); event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true); event.state.temp.t = 1 }
if (text === 'edit') event.suggestions.push(one(0.8, 'a', { type: 'text', text: 'A' }), one(0.7, 'b', { type: 'text', text: 'B' }))
if (text === 'none' ) event.suggestions = undefined
if (text === 'flow') { event.state.context.currentFlow = 'main.flow.json'; event.suggestions.push(one(0.8, 'f', { type: 'text', text: 'F' }), one(0.7, 'g', { type: 'text', text: 'G' })) }
event.state.user.last = text
event.state.temp.text = text
