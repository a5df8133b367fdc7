// A message, or one of several at random.
const { typing, webLike, typingSchema } = require('./_helper')

module.exports = {
  id: 'builtin_text',
  group: 'Built-in Messages',
  title: 'Text',
  description: 'A text message, with optional alternatives of which one is picked at random',

  jsonSchema: {
    description: 'A text message, with optional alternatives of which one is picked at random',
    type: 'object',
    required: ['text'],
    properties: {
      text: { type: 'string', title: 'Message' },
      variations: { type: 'array', title: 'Alternatives', items: { type: 'string', default: '' } },
      markdown: { type: 'boolean', title: 'Use Markdown', default: true },
      ...typingSchema
    }
  },

  uiSchema: {
    text: { 'ui:field': 'i18n_field', $subtype: 'textarea' },
    variations: { 'ui:options': { orderable: false } }
  },

  computePreviewText: formData => `Text: ${formData.text === undefined ? '' : formData.text}`,

  renderElement(data, channel) {
    if (webLike(channel)) {
      return [...typing(data), { type: 'text', markdown: data.markdown !== false, text: data.text }]
    }
    if (channel === 'messenger') {
      return [...typing(data), { text: data.text }]
    }
    return []
  }
}
