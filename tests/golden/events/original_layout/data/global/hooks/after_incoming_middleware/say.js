return bp.cms.renderElement('!shout-1', {}, event).then(payloads => bp.events.replyToEvent(event, payloads))
