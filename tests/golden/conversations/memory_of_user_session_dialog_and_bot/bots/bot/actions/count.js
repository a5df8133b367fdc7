for (const memory of [user, session, temp, event.state.bot]) memory.n = (memory.n || 0) + 1
if (event.preview === 'forget me') {
  user.n = null
  user.never = undefined
}
if (event.preview === 'for all') await bp.kvs.forBot(event.botId).set('global', { n: 100 })
