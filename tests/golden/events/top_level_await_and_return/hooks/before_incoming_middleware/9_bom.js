console.log('bom')
