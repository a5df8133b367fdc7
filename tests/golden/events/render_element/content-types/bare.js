module.exports = { id: 'bare', jsonSchema: {} }
