throw new Error('no end')
