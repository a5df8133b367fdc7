// Each message uses up one turn of the contexts that a dialog asked for; those without turns left go.
const { session } = event.state

if (Array.isArray(session.nluContexts) && session.nluContexts.length) {
  session.nluContexts = session.nluContexts
    .filter(Boolean)
    .map(entry => (typeof entry.ttl === 'number' ? { ...entry, ttl: entry.ttl - 1 } : entry))
    .filter(entry => typeof entry.ttl !== 'number' || entry.ttl > 0)
}
