event.state.context = {}
