const { channel, target, botId, threadId } = event
const other = { channel: 'api', target: 'someone else', botId: event.botId }
const say = (to, text) => bp.events.replyToEvent(to, [{ type: 'text', text }])
await say(event, 'event')
await say({ channel, target, botId, threadId }, 'object')
await say({ channel, target, botId }, 'without thread')
await say(other, 'elsewhere')
await say({ ...other, botId: 'BOT' }, 'case of the bot')
for (const [to, payloads] of [[], [null, []], ['web', []], [{}, []], [{ channel, target: 5, botId }, []], [{ channel, target, botId: '' }, []], [event, 'text'], [event, { type: 'text' }], [event], [{ channel, target, botId: 'nobody' }, [{}]], [{ channel, target: '...', botId }, [{}]], [{ channel, target: 'a\u0000', botId }, [{}]], [{ channel, target, botId: 'a b' }, [{}]]]) {
  try { await bp.events.replyToEvent(to, payloads); console.log('fine', to) } catch (error) { console.log(error.name, error.message) }
}
await bp.events.replyToEvent(event, [])
for (const payload of [null, undefined, 'text', 7, [1]]) await bp.events.replyToEvent(event, [{}, payload]).catch(error => console.log(error.message))
await bp.events.replyToEvent(event, [{ type: 'text', text: 'last' }], 'own id')
