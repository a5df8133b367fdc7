// A card: a picture, a title and buttons. It is sent as a carousel of one.
const { carousel, preview, typingSchema } = require('./_helper')

module.exports = {
  id: 'builtin_card',
  group: 'Built-in Messages',
  title: 'Card',
  description: 'A picture with a title, a subtitle and buttons',

  jsonSchema: {
    description: 'A picture with a title, a subtitle and buttons',
    type: 'object',
    required: ['title'],
    properties: {
      title: { type: 'string', title: 'Title' },
      subtitle: { type: 'string', title: 'Subtitle' },
      image: { type: 'string', $subtype: 'media', $filter: '.jpg, .png, .jpeg, .gif, .bmp, .tif, .tiff|image/*', title: 'Image' },
      actions: {
        type: 'array',
        title: 'Buttons',
        items: {
          type: 'object',
          required: ['action', 'title'],
          properties: {
            action: { type: 'string', title: 'Action', enum: ['Say something', 'Open URL', 'Postback'], default: 'Say something' },
            title: { type: 'string', title: 'Label' },
            text: { type: 'string', title: 'Text to say' },
            url: { type: 'string', title: 'URL to open' },
            payload: { type: 'string', title: 'Payload' }
          }
        }
      },
      ...typingSchema
    }
  },

  uiSchema: {
    title: { 'ui:field': 'i18n_field' },
    subtitle: { 'ui:field': 'i18n_field' },
    actions: { 'ui:field': 'i18n_array' }
  },

  computePreviewText: formData => preview('Card', formData.title),

  renderElement: (data, channel) => carousel({ ...data, items: [data] }, channel)
}
