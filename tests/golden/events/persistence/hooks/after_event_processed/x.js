console.log('after processed')
event.state.session.processed = true
