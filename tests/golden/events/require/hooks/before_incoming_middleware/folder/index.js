exports.name = 'folder/index'
