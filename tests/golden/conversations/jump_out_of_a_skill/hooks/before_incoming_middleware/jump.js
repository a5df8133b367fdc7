if (event.preview === 'jump') return bp.dialog.jumpTo(bp.dialog.createId(event), event, 'other.flow.json')
