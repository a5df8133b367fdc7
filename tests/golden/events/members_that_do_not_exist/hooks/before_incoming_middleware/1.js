bp.kvs.gett('a')
