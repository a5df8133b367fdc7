// A question with buttons to answer it.
const { typing, webLike, list, preview, typingSchema } = require('./_helper')

const answer = choice => {
  const value = choice.value === undefined || choice.value === null ? choice.title : choice.value
  return String(value === undefined ? '' : value).toUpperCase()
}

module.exports = {
  id: 'builtin_single-choice',
  group: 'Built-in Messages',
  title: 'Single choice',
  description: 'A question with buttons to answer it',

  jsonSchema: {
    description: 'A question with buttons to answer it',
    type: 'object',
    required: ['text', 'choices'],
    properties: {
      text: { type: 'string', title: 'Question' },
      choices: {
        type: 'array',
        title: 'Choices',
        minItems: 1,
        items: {
          type: 'object',
          required: ['title', 'value'],
          properties: {
            title: { type: 'string', title: 'Label' },
            value: { type: 'string', title: 'Value' }
          }
        }
      },
      ...typingSchema
    }
  },

  uiSchema: { text: { 'ui:field': 'i18n_field' }, choices: { 'ui:field': 'i18n_array' } },

  computePreviewText(formData) {
    const titles = list(formData.choices).map(choice => choice && choice.title).filter(Boolean)
    return preview('Choice', `${formData.text === undefined ? '' : formData.text} [${titles.join(', ')}]`)
  },

  renderElement(data, channel) {
    const choices = list(data.choices)
    if (webLike(channel)) {
      const quick_replies = choices.map(choice => ({ title: choice.title, payload: answer(choice) }))
      return [...typing(data), { text: data.text, quick_replies, typing: data.typing }]
    }
    if (channel === 'messenger') {
      const quick_replies = choices.map(choice => ({
        content_type: 'text',
        title: choice.title,
        payload: answer(choice)
      }))
      return [...typing(data), { text: data.text, quick_replies }]
    }
    return []
  }
}
