temp.x = session.x = user.x = event.preview
