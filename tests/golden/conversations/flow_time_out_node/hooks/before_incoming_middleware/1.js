event.state.temp.who = event.target
if (event.preview === 'skill') return bp.dialog.jumpTo('id', event, 'main', 'call')
