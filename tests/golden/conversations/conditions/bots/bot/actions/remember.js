session.count = (session.count || 0) + 1
user.vip = event.preview === 'user'
temp.text = event.preview
return bp.kvs.forBot(event.botId).set('global', { open: 'yes' })
