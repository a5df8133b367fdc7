exports.name = 'lib'
exports.file = __filename
