module.exports = { title: 'No id', renderElement: () => [] }
