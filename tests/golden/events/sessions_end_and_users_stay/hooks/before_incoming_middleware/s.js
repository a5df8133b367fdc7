console.log(JSON.stringify(event.state))
event.state.user.seen = (event.state.user.seen || 0) + 1
event.state.session.a = event.state.temp.b = 1
console.log('thread', event.threadId === event.state.user.thread ? 'as before' : 'new')
event.state.user.thread = event.threadId
