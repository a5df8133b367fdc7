exports.name = 'packed/dist/main'
