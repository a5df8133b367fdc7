temp.count = (temp.count || 0) + 1
