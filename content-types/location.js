// A place on the map.
const { typing, webLike, preview, typingSchema } = require('./_helper')

module.exports = {
  id: 'builtin_location',
  group: 'Built-in Messages',
  title: 'Location',
  description: 'A place on the map',

  jsonSchema: {
    description: 'A place on the map',
    type: 'object',
    required: ['latitude', 'longitude'],
    properties: {
      latitude: { type: 'number', title: 'Latitude', minimum: -90, maximum: 90 },
      longitude: { type: 'number', title: 'Longitude', minimum: -180, maximum: 180 },
      address: { type: 'string', title: 'Address' },
      title: { type: 'string', title: 'Name of the place' },
      ...typingSchema
    }
  },

  uiSchema: { address: { 'ui:field': 'i18n_field' }, title: { 'ui:field': 'i18n_field' } },

  computePreviewText: formData =>
    preview('Location', formData.title || formData.address || `${formData.latitude}, ${formData.longitude}`),

  renderElement(data, channel) {
    const { latitude, longitude, address, title } = data
    if (webLike(channel)) {
      return [...typing(data), { type: 'location', latitude, longitude, address, title }]
    }
    if (channel === 'messenger') {
      // Bots cannot send places there: a link shows the same.
      const link = `https://www.openstreetmap.org/?mlat=${latitude}&mlon=${longitude}`
      return [...typing(data), { text: [title, address, link].filter(Boolean).join('\n') }]
    }
    return []
  }
}
