console.log('03/01_b')
