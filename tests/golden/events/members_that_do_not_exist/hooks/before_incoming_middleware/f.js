bp.distributed.acquireLock('a', 1)
