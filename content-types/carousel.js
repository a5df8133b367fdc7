// Cards side by side.
const { carousel, list, preview, typingSchema } = require('./_helper')
const card = require('./card')

// A card within a carousel has no typing indicator of its own.
const { typing, ...cardProperties } = card.jsonSchema.properties

module.exports = {
  id: 'builtin_carousel',
  group: 'Built-in Messages',
  title: 'Carousel',
  description: 'Cards side by side',

  jsonSchema: {
    description: 'Cards side by side',
    type: 'object',
    required: ['items'],
    properties: {
      items: {
        type: 'array',
        title: 'Cards',
        items: { type: 'object', required: ['title'], properties: cardProperties }
      },
      ...typingSchema
    }
  },

  uiSchema: { items: { 'ui:field': 'i18n_array' } },

  computePreviewText(formData) {
    const titles = list(formData.items).map(item => item && item.title).filter(Boolean)
    return preview('Carousel', titles.join(', '))
  },

  renderElement: carousel
}
