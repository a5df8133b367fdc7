throw new Error('while loading ' + __filename)
