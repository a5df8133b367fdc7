const other = require('./circle_1')
module.exports = { id: 'circle_2', jsonSchema: {}, renderElement: data => [{ early: other.id, now: require('./circle_1').id }] }
