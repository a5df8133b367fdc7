const n = event.payload.n || 0
const { channel, target, botId, threadId } = event
try {
  await bp.events.sendEvent({ type: 'again', direction: 'incoming', channel, target, botId, threadId, payload: { n: n + 1 } })
  console.log('sent', n + 1)
} catch (error) {
  console.log(error.name, error.message)
}
