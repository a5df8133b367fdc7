const base = { type: 'text', channel: 'web', target: 'u', direction: 'incoming', botId: 'bot' }
const { Event } = bp.IO
for (const make of [x => Event(x), x => new Event(x)]) {
  for (const wrong of [undefined, null, 'x', {}, { ...base, type: undefined }, { ...base, channel: 1 }, { ...base, target: '' }, { ...base, botId: null }, { ...base, direction: 'up' }, { ...base, direction: undefined }]) {
    try { make(wrong); console.log('fine') } catch (error) { console.log(error.name, error.message) }
  }
}
const made = Event({ ...base, payload: { text: 'hello' }, threadId: 12, nlu: { language: 'fr', mine: 1 } })
console.log(made instanceof Event, /^\d{18}$/.test(made.id), made.preview, made.threadId, made.createdOn instanceof Date, JSON.stringify(made.flags), JSON.stringify(made.suggestions), made.credentials, JSON.stringify(made.state), 'incomingEventId' in made)
console.log(JSON.stringify(made.nlu))
console.log(JSON.stringify(Event(base).nlu), Event(base).preview, JSON.stringify(Event(base).payload))
const out = new Event({ ...base, direction: 'outgoing', incomingEventId: 'in', id: 'mine', payload: { __preview: 'p0', preview: 'p1', text: 'p2' } })
console.log(out.id, out.preview, out.incomingEventId, 'suggestions' in out, 'credentials' in out, JSON.stringify(out.state), out.nlu.language)
console.log(Event({ ...base, payload: { preview: 'p1', text: 'p2' } }).preview, Event({ ...base, payload: {} }).preview, Event({ ...base, payload: {}, preview: '' }).preview === '')
const ids = Array.from({ length: 100 }, () => Event(base).id)
console.log(new Set(ids).size, ids.every((id, i) => i === 0 || BigInt(id) > BigInt(ids[i - 1])), Object.keys(made).join())
