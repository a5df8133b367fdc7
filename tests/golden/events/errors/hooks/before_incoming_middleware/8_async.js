await 1
null.x
