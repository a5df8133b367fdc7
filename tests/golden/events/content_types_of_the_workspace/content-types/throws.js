module.exports = { id: 'x' }
null.y
