event.suggestions.push({ confidence: 1, source: 'x', sourceDetails: event.payload.text, payloads: [{ type: 'text', text: 'to ' + event.payload.text }] })
