const intent = name => Object.assign(event.nlu, { intent: { name, confidence: 0.9, context: 'global' } })

if (event.type === 'text') {
  const text = (event.payload.text || '').toLowerCase()
  if (/forgot.*password|locked out/.test(text)) intent('password')
  else if (/\bvpn\b/.test(text)) intent('vpn')
  else if (/never mind|cancel/.test(text)) intent('cancel')
  else if (/^(yep|it does|works)/.test(text)) intent('yes')
  else if (/^(nope|not really)/.test(text)) intent('no')
}
