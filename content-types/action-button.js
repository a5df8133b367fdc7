// A button of a card. On its own it shows nothing.
const { preview } = require('./_helper')

module.exports = {
  id: 'builtin_action-button',
  group: 'Built-in Messages',
  title: 'Action button',
  description: 'A button of a card',

  jsonSchema: {
    description: 'A button of a card',
    type: 'object',
    required: ['action', 'title'],
    properties: {
      action: { type: 'string', title: 'Action', enum: ['Say something', 'Open URL', 'Postback'], default: 'Say something' },
      title: { type: 'string', title: 'Label' },
      text: { type: 'string', title: 'Text to say' },
      url: { type: 'string', title: 'URL to open' },
      payload: { type: 'string', title: 'Payload' }
    }
  },

  uiSchema: { title: { 'ui:field': 'i18n_field' } },

  computePreviewText: formData => preview(formData.action || 'Action', formData.title),

  renderElement: () => []
}
