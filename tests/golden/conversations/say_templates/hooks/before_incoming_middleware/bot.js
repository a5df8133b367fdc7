event.state.bot.a = 'b'
