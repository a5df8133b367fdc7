module.exports = { id: 'throws', jsonSchema: {}, renderElement(data) {
  return data.no.such
} }
