new bp.ButtonAction('a', 'b')
