temp.answer = 'old'
