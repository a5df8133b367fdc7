console.log('global', __filename, __dirname)
