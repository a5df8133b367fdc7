console.log(bp.cache, bp.kvs.cache)
bp.cache = 1
bp.kvs.cache = 2
