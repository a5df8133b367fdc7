if (event.type !== 'text') return
const { channel, botId } = event
const send = n => bp.events.sendEvent({ type: 'n', direction: 'incoming', channel, target: 'u' + n, botId, payload: {} })
const all = await Promise.allSettled(Array.from({ length: 13 }, (_, n) => send(n)))
console.log(all.map(one => one.status).join(' '))
console.log(all[12].reason.message.replace(/in \d+ ms/, 'in … ms'))
