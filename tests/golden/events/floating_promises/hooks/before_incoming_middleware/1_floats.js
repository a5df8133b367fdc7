bp.kvs.set('x', 'k', 1).then(() => bp.kvs.get('x', 'k')).then(value => {
  event.state.temp.floated = value
  bp.events.replyToEvent(event, [{ type: 'text', text: 'floated ' + value }])
})
setTimeout(() => bp.events.replyToEvent(event, [{ type: 'text', text: 'from a timer' }]), 150)
