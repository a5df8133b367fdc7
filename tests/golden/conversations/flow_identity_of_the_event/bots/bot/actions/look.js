console.log(event.box instanceof event.Box, user === event.state.user, temp === event.state.temp, session === event.state.session)
temp = { lost: true }
