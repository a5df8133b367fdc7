bp.cms.renderElement('builtin_text', { text: '4, or later' }, event).then(payloads => bp.events.replyToEvent(event, payloads))
