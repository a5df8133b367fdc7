console.log(JSON.stringify(event.state.bot))
if (event.payload.text === 'set') { await bp.kvs.set(event.botId, 'global', { count: 1 }); await bp.kvs.set('other', 'global', { other: 1 }) }
event.state.bot.changed = true
