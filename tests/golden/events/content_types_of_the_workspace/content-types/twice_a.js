module.exports = { id: 'twice', jsonSchema: {}, renderElement: () => ({ from: 'a' }) }
