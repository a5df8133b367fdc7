// There is no NLU here: a few words stand for intents.
const intents = {
  help: ['help', 'what can you do'],
  cancel: ['cancel', 'forget it', 'stop'],
  track: ['track', 'where is'],
  hours: ['hours', 'open', 'when'],
  order: ['order', 'hungry', 'pizza'],
  confirm: ['of course', 'sure', 'go ahead'],
  bye: ['bye', 'ciao']
}

if (event.type === 'text' && event.payload.text) {
  const text = event.payload.text.toLowerCase()
  const name = Object.keys(intents).find(intent => intents[intent].some(word => text.includes(word)))
  if (name) {
    event.nlu = { ...event.nlu, intent: { name, confidence: 0.97, context: 'global' }, intents: [{ name, confidence: 0.97, context: 'global' }] }
  }
}
