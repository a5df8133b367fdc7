// A video.
const { typing, absolute, webLike, preview, messengerAttachment, typingSchema } = require('./_helper')

module.exports = {
  id: 'builtin_video',
  group: 'Built-in Messages',
  title: 'Video',
  description: 'A video, with an optional title',

  jsonSchema: {
    description: 'A video, with an optional title',
    type: 'object',
    required: ['video'],
    properties: {
      video: { type: 'string', $subtype: 'media', $filter: '.mp4, .webm, .ogv|video/*', title: 'Video' },
      title: { type: 'string', title: 'Title' },
      ...typingSchema
    }
  },

  uiSchema: { title: { 'ui:field': 'i18n_field' } },

  computePreviewText: formData => preview('Video', formData.title || formData.video),

  renderElement(data, channel) {
    const video = absolute(data, data.video)
    if (webLike(channel)) {
      return [...typing(data), { type: 'video', video, title: data.title }]
    }
    if (channel === 'messenger') {
      return [...typing(data), messengerAttachment('video', video)]
    }
    return []
  }
}
