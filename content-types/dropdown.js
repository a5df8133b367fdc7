// A question with a list to choose from.
const { typing, list, preview, typingSchema } = require('./_helper')

module.exports = {
  id: 'dropdown',
  group: 'Built-in Messages',
  title: 'Dropdown',
  description: 'A question with a list to choose from',

  jsonSchema: {
    description: 'A question with a list to choose from',
    type: 'object',
    required: ['message'],
    properties: {
      message: { type: 'string', title: 'Message' },
      buttonText: { type: 'string', title: 'Text of the button; without one, choosing answers at once' },
      options: {
        type: 'array',
        title: 'Options',
        items: {
          type: 'object',
          required: ['label'],
          properties: { label: { type: 'string', title: 'Label' }, value: { type: 'string', title: 'Value' } }
        }
      },
      width: { type: 'number', title: 'Width of the list, in pixels' },
      displayInKeyboard: { type: 'boolean', title: 'Show it above the keyboard', default: true },
      allowCreation: { type: 'boolean', title: 'Let users write an answer of their own' },
      allowMultiple: { type: 'boolean', title: 'Let users choose several' },
      ...typingSchema
    }
  },

  uiSchema: { message: { 'ui:field': 'i18n_field' }, options: { 'ui:field': 'i18n_array' } },

  computePreviewText: formData => preview('Dropdown', formData.message),

  renderElement(data, channel) {
    if (channel !== 'web' && channel !== 'api') {
      return []
    }
    return [
      ...typing(data),
      {
        type: 'custom',
        module: 'extensions',
        component: 'Dropdown',
        message: data.message,
        buttonText: data.buttonText,
        displayInKeyboard: data.displayInKeyboard,
        options: list(data.options).map(option => ({
          label: option.label,
          value: option.value === undefined || option.value === '' ? option.label : option.value
        })),
        allowCreation: data.allowCreation,
        allowMultiple: data.allowMultiple,
        width: data.width
      }
    ]
  }
}
