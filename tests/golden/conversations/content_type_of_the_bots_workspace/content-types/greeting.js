const { shout } = require('./_shout')
module.exports = {
  id: 'greeting',
  title: 'Greeting',
  jsonSchema: { type: 'object', properties: { word: { type: 'string' }, loud: { type: 'boolean' } } },
  renderElement: (data, channel) => {
    if (data.name === 'broken') throw new Error('no such name: ' + data.name)
    const text = `${data.word}, ${data.name}, on ${channel}`
    return { type: 'text', text: data.loud ? shout(text) : text }
  }
}
