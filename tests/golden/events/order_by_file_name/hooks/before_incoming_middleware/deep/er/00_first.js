console.log('deep/er/00_first')
