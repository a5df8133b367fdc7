temp.note = event.preview
