const { shout } = require('../_helpers')
exports.id = 'by_exports'
exports.jsonSchema = {}
exports.renderElement = data => shout(data.text)
