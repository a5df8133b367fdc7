// A file to download.
const { typing, absolute, webLike, preview, messengerAttachment, typingSchema } = require('./_helper')

module.exports = {
  id: 'builtin_file',
  group: 'Built-in Messages',
  title: 'File',
  description: 'A file to download, with an optional title',

  jsonSchema: {
    description: 'A file to download, with an optional title',
    type: 'object',
    required: ['file'],
    properties: {
      file: { type: 'string', $subtype: 'media', title: 'File' },
      title: { type: 'string', title: 'Title' },
      ...typingSchema
    }
  },

  uiSchema: { title: { 'ui:field': 'i18n_field' } },

  computePreviewText: formData => preview('File', formData.title || formData.file),

  renderElement(data, channel) {
    const file = absolute(data, data.file)
    if (webLike(channel)) {
      return [...typing(data), { type: 'file', file, title: data.title }]
    }
    if (channel === 'messenger') {
      return [...typing(data), messengerAttachment('file', file)]
    }
    return []
  }
}
