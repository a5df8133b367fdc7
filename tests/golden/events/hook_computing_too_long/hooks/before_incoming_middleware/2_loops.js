event.loops = 'begun'
if (event.payload.text === 'loop') while (true) {}
