temp.tried = true
if (event.preview === 'hi') for (;;);
