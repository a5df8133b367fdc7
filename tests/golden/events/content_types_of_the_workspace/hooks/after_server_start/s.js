console.log(JSON.stringify(await bp.cms.renderElement('!builtin_text-o', {}, { channel: 'web', botId: 'other' })))
await bp.cms.renderElement('!builtin_text-o', {}, 'web').catch(error => console.log(error.message))
await bp.events.replyToEvent({ channel: 'web', target: 'ann', botId: 'bot' }, [{ type: 'text', text: 'good morning' }])
console.log(typeof botId, typeof event)
