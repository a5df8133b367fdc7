temp.messages = (temp.messages || 0) + 1
