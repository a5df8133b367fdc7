console.log(user === event.state.user, session === event.state.session, temp === event.state.temp, bot === event.state.bot)
user.name = 'Ann'
temp.kept = true
temp = { lost: true }
event.state.session = { ...session, replaced: true }
event.mark = { by: 'share' }
leaked = 1
