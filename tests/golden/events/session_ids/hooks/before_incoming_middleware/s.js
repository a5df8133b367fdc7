const { createId } = bp.dialog
console.log(createId(event), createId({ channel: 'web', target: 'a', botId: 'b', threadId: 5 }), createId({ channel: 'web', target: 'a::b', botId: 'b' }), createId({ channel: 'web', target: 'a::b%', botId: 'b', threadId: 't::u' }), createId({ channel: 'web', target: '50%', botId: 'b' }))
for (const wrong of [undefined, {}, { channel: 'web' }]) try { createId(wrong) } catch (error) { console.log(error.name, error.message) }
event.state.session.count = (event.state.session.count || 0) + 1
console.log('count', event.state.session.count)
if (event.payload.text === 'delete') { setTimeout(() => bp.dialog.deleteSession(createId(event)), 1); event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true) }
for (const wrong of [[], ['x'], ['web::'], [7], ['web::a', 'a b']]) await bp.dialog.deleteSession(...wrong).catch(error => console.log(error.message))
