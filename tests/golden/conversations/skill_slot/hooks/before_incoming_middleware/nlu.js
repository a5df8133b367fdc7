const place = { Rome: 'Rome', Bern: 'Bern', 'a place called Oslo': 'Oslo' }[event.preview]
if (place === 'Oslo') event.nlu.entities = [{ name: 'place', type: 'list', data: { value: place } }]
else if (place) event.nlu.slots = { city: { name: 'city', value: place, source: place } }
