return bp.dialog.jumpTo(bp.dialog.createId(event), event, 'other').then(() => { throw new Error('after the jump') })
