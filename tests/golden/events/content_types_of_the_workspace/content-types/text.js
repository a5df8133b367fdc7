module.exports = { id: 'builtin_text', title: 'Mine', jsonSchema: { properties: { text: {} } }, renderElement: data => [{ type: 'text', text: 'mine: ' + data.text }] }
