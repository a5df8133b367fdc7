event.suggestions.push({ confidence: 0.9, source: 'qna', sourceDetails: 'q1', payloads: [{ type: 'text', text: 'The answer.' }] })
