console.log('deep', __filename)
