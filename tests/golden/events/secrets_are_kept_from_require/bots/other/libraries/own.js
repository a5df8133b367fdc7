exports.name = 'of another bot'
