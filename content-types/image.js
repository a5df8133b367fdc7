// A picture.
const { typing, absolute, preview, messengerAttachment, typingSchema } = require('./_helper')

module.exports = {
  id: 'builtin_image',
  group: 'Built-in Messages',
  title: 'Image',
  description: 'A picture, with an optional title',

  jsonSchema: {
    description: 'A picture, with an optional title',
    type: 'object',
    required: ['image'],
    properties: {
      image: { type: 'string', $subtype: 'media', $filter: '.jpg, .png, .jpeg, .gif, .bmp, .tif, .tiff|image/*', title: 'Image' },
      title: { type: 'string', title: 'Title' },
      ...typingSchema
    }
  },

  uiSchema: { title: { 'ui:field': 'i18n_field' } },

  computePreviewText: formData => preview('Image', formData.title || formData.image),

  renderElement(data, channel) {
    const url = absolute(data, data.image)
    if (channel === 'web' || channel === 'api') {
      return [...typing(data), { type: 'file', url }]
    }
    if (channel === 'telegram') {
      return [...typing(data), { type: 'image', url }]
    }
    if (channel === 'messenger') {
      return [...typing(data), messengerAttachment('image', url)]
    }
    return []
  }
}
