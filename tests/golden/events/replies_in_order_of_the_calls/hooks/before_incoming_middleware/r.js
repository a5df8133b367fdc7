const say = (...texts) => bp.events.replyToEvent(event, texts.map(text => ({ type: 'text', text })))
say('1')
say('2', '3')
bp.cms.renderElement('builtin_text', { text: '6 rendered', typing: false }, event).then(payloads => bp.events.replyToEvent(event, payloads))
say('4 waits', '5')
event.payload.text = 'later'
say()
