await bp.dialog.jumpTo(bp.dialog.createId(event), event, 'main.flow.json', 'there')
