module.exports = { id: 'shout', title: 'Shout', jsonSchema: {}, renderElement: data => ({ type: 'text', text: data.text.toUpperCase() }) }
