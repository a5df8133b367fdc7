module.exports = { id: 'twice', jsonSchema: {}, renderElement: () => ({ from: 'b' }) }
