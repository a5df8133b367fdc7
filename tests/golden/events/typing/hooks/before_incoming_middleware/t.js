const payloads = event.payload.text.split(' ').map(value => value.startsWith('t:') ? { type: 'typing', value: JSON.parse(value.slice(2)) } : { type: 'text', text: value })
bp.events.replyToEvent(event, payloads)
