console.log(session === event.state.session, temp === event.state.temp, JSON.stringify([session, temp, event.state.context]))
