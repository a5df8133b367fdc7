session.n = (session.n || 0) + 1
if (session.n === 5) session.n = 200
