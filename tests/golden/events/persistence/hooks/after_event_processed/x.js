console.log('after processed')
if (typeof event.state.session === 'object') event.state.session.processed = true
