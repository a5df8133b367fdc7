bp.dialog.jumpTo('x', event, 'flow')
