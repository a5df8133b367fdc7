console.log(event.direction, event.type, event.preview, JSON.stringify(event.state), event.suggestions, event.credentials, typeof event.incomingEventId, event.nlu.language, event.createdOn instanceof Date, event.flags, event.threadId === undefined || typeof event.threadId)
event.payload.seen = true
if (event.payload.text === 'plain') event.payload = { type: 'text', text: 'replaced' }
if (event.payload.text === 'retype') event.type = 'custom_type'
if (event.payload.text === 'throw') throw new Error('of an outgoing hook')
if (event.payload.text === 'wait') return new Promise(resolve => setTimeout(resolve, 20)).then(() => { event.payload.waited = true })
