const { text } = event.payload
const { SKIP_DIALOG_ENGINE, FORCE_PERSIST_STATE } = bp.IO.WellKnownFlags
console.log(JSON.stringify(event.state))
event.state.user[text] = text
event.state.session[text] = text
event.state.temp[text] = text
event.state.context[text] = text
event.state.bot[text] = 'read-only in effect'
if (text.startsWith('skip')) event.setFlag(SKIP_DIALOG_ENGINE, true)
if (text.endsWith('force')) event.setFlag(FORCE_PERSIST_STATE, true)
if (text === 'pause') event.isPause = true
if (text === 'null') { event.state.user.full = null; event.state.user.gone = undefined; delete event.state.temp.full; event.state.session.list = [undefined, null, new Date(0), NaN] }
if (text === 'replace') { event.state.temp = { only: 1 }; event.state.session = { fresh: true }; event.state.context = {}; event.state.user = { new: 1 } }
if (text === 'broken') { event.state.temp.self = event.state.temp; event.state.user.big = 1n; event.state.user.fn = () => 1 }
if (text === 'odd') { event.state.user = null; event.state.session = 'text'; event.state.temp = undefined; event.state.context = [1] }
if (text === 'state') event.state = 7
if (text === 'global') await bp.kvs.set(event.botId, 'global', 'no object')
if (text === 'lone') { event.state.user['k\ud800'] = '\ud800'; event.state.session['\ud800'] = 1 }

