exports.name = 'shared/util'
