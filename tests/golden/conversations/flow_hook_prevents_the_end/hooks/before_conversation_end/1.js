if (event.preview === 'stay') return bp.dialog.jumpTo('id', event, 'main', 'more')
