event.state.user.name = 'Ann'
