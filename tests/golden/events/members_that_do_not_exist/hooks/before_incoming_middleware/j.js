console.log('the end')
