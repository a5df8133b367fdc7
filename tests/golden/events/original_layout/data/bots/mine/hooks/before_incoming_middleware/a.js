console.log('own', __filename)
