const intent = { 'less is more': 'less', 'give me more': 'more' }[event.preview]
if (intent) event.nlu.intent = { name: intent, confidence: 1, context: 'global' }
