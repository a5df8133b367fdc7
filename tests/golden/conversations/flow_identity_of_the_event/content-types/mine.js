module.exports = { id: 'mine', jsonSchema: {}, renderElement: (data) => [{ type: 'text', text: `${data.event.fn(1)} ${typeof data.session} ${data.temp.lost}` }] }
