// A sound.
const { typing, absolute, webLike, preview, messengerAttachment, typingSchema } = require('./_helper')

module.exports = {
  id: 'builtin_audio',
  group: 'Built-in Messages',
  title: 'Audio',
  description: 'A sound, with an optional title',

  jsonSchema: {
    description: 'A sound, with an optional title',
    type: 'object',
    required: ['audio'],
    properties: {
      audio: { type: 'string', $subtype: 'media', $filter: '.mp3, .wav, .ogg, .m4a|audio/*', title: 'Audio' },
      title: { type: 'string', title: 'Title' },
      ...typingSchema
    }
  },

  uiSchema: { title: { 'ui:field': 'i18n_field' } },

  computePreviewText: formData => preview('Audio', formData.title || formData.audio),

  renderElement(data, channel) {
    const audio = absolute(data, data.audio)
    if (webLike(channel)) {
      return [...typing(data), { type: 'audio', audio, title: data.title }]
    }
    if (channel === 'messenger') {
      return [...typing(data), messengerAttachment('audio', audio)]
    }
    return []
  }
}
