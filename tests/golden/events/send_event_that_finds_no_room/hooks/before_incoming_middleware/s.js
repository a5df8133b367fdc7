if (event.type !== 'text') return
const { channel, target, botId, threadId } = event
const send = n => bp.events.sendEvent({ type: 'n' + n, direction: 'incoming', channel, target, botId, threadId, payload: {} })
for (const { status, reason } of await Promise.allSettled([1, 2, 3, 4].map(send))) console.log(status, reason && reason.message)
// Nobody looks at this one: the log says where it was sent, and why it is not stored.
send(5)
