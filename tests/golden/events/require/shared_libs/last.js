exports.name = 'shared_libs'
