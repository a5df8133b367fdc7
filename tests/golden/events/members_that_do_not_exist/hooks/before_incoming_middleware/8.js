event.setFlags('x')
