temp.visits = (temp.visits || 0) + 1
session.visits = (session.visits || 0) + 1
