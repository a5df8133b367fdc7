const other = require('./circle_2')
module.exports = { id: 'circle_1', jsonSchema: {}, renderElement: data => [{ other: require('./circle_2').id, partly: other.id }] }
