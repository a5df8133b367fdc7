// A few words stand for intents.
const words = {
  emergency: /emergency|heart attack|urgence|bleeding/i,
  help: /^(help|aide)\b/i,
  person: /human|operator/i,
  prices: /price|prix/i,
  no: /^(no|non|bye|au revoir|that'?s all)\b/i
}
const name = Object.keys(words).find(key => words[key].test(event.preview))

if (name) {
  event.nlu.intent = { name, confidence: 1, context: 'global' }
}
