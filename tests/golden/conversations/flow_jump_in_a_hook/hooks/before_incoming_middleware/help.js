if (event.preview.endsWith('help')) bp.dialog.jumpTo(bp.dialog.createId(event), event, 'help')
