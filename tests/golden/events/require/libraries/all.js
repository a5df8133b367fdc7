exports.name = 'library of all'
