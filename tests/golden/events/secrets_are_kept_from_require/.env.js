exports.key = 's3cret'
