console.log(event.type, event.direction, event.preview, JSON.stringify(event.payload), event.threadId === undefined ? '' : typeof event.threadId)
if (event.type !== 'text') return
const { Event } = bp.IO
const base = { channel: event.channel, target: event.target, botId: event.botId, threadId: event.threadId }
await bp.events.sendEvent(Event({ ...base, type: 'follow-up', direction: 'incoming', payload: { n: 1 } }))
await bp.events.sendEvent(new Event({ ...base, type: 'text', direction: 'outgoing', payload: { type: 'text', text: 'out' } }))
await bp.events.sendEvent({ ...base, type: 'plain object', direction: 'incoming' })
await bp.events.sendEvent(Event({ ...base, target: 'bob', type: 'other user', direction: 'incoming', payload: { text: 'x' }, preview: 'own preview' }))
const own = Event({ ...base, id: 'my-own-id', type: 'own id', direction: 'incoming', payload: { text: 'x' } })
const bad = Event({ ...base, type: 'x', direction: 'incoming' })
bad.type = undefined
const worse = Event({ ...base, type: 'x', direction: 'incoming' })
worse.target = { not: 'text' }
for (const value of [undefined, 'x', {}, { ...base, type: 'x', direction: 'sideways' }, { ...base, botId: 'nobody', type: 'x', direction: 'incoming' }, { ...base, botId: 'nobody', type: 'x', direction: 'outgoing', payload: {} }, { ...base, target: '...', type: 'x', direction: 'incoming' }, own, bad, worse, { ...base, type: 'y'.repeat(300), direction: 'incoming' }]) {
  try { await bp.events.sendEvent(value); console.log('fine') } catch (error) { console.log(error.name, error.message) }
}
