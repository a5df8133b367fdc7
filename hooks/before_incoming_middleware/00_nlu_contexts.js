// A dialog can narrow what the next messages are understood as: the contexts it asked for go to the NLU.
const { nluContexts } = event.state.session

if (Array.isArray(nluContexts) && nluContexts.length && event.nlu) {
  const asked = nluContexts.map(entry => entry && entry.context).filter(Boolean)
  event.nlu.includedContexts = [...new Set([...(event.nlu.includedContexts || []), ...asked])]
}
