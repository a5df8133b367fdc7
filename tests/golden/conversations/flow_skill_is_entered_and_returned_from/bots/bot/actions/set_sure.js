if (event.preview === 'yes' || event.preview === 'no') temp.sure = event.preview === 'yes'
