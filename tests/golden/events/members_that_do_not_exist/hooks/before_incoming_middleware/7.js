bp.database('table').select()
