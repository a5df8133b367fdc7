bp.cache = bp.cache || {}
bp.kvs.other.deep = 1
