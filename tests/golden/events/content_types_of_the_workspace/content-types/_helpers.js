exports.shout = text => ({ type: 'text', text: text.toUpperCase() })
