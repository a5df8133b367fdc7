event.state.user.timeouts = (event.state.user.timeouts || 0) + 1
return bp.dialog.jumpTo(bp.dialog.createId(event), event, 'main.flow.json', 'hook')
