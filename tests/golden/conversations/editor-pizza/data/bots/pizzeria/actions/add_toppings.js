const _ = require('lodash')

/**
 * Picks the toppings that we have out of what the customer said.
 * @title Add toppings
 * @category Pizza
 * @author admin
 * @param {string} text - What the customer said
 */
const addToppings = async text => {
  const { ours, never } = await bp.kvs.get(event.botId, 'toppings') || {
    ours: ['ham', 'mushrooms', 'olives', 'onions', 'salami', 'salmon', 'dill', 'basil'],
    never: ['pineapple', 'chocolate', 'anchovies']
  }
  const words = _.words(_.toLower(text))
  const before = temp.toppings || []
  const toppings = _.take(_.union(before, _.intersection(ours, words)), 4)

  event.state.temp = {
    ...event.state.temp,
    toppings,
    list: toppings.length ? toppings.join(', ') : 'tomato and cheese',
    unknown: _.intersection(words, never).join(' and ')
  }
}

return addToppings(args.text)
