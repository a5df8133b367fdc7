// `_` is a global of content types.
module.exports = {
  id: 'menu',
  title: 'Menu',
  jsonSchema: { type: 'object', properties: { dishes: { type: 'array', items: { type: 'object' } } } },
  computePreviewText: data => _.map(data.dishes, 'name').join(', '),
  renderElement: data => {
    const cheapest = _.head(_.sortBy(data.dishes, 'price'))
    return [{ type: 'text', text: `${_.size(data.dishes)} dishes, ${_.get(cheapest, 'name', 'nothing')} first` }]
  }
}
