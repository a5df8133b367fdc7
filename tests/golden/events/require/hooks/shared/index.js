exports.name = 'shared/index'
