console.log(user.name, temp, session, event.mark, typeof leaked, typeof workflow, Object.keys(args))
event.state.temp = { new: event.preview }
