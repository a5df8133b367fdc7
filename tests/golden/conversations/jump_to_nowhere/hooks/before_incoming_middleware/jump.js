const [jump, flow, node] = event.preview.split(' ')
if (jump === 'jump') return bp.dialog.jumpTo(bp.dialog.createId(event), event, flow, node)
