for (const memory of [session, user]) memory.n = (memory.n || 0) + 1
