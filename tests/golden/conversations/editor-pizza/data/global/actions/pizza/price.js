const _ = require('lodash')

/**
 * What a pizza costs.
 * @title Price
 * @category Pizza
 * @author admin
 * @param {string} size - small, medium or large
 * @param {string} toppings - Separated by commas
 * @param {string} [delivery] - A place, if it is brought there
 */
const price = async () => {
  const base = { small: 6.5, medium: 8, large: 10.25 }
  const dear = { salmon: 2.2, ham: 1.4 }
  const toppings = _.filter(_.map(_.split(args.toppings, ','), _.trim), name => name !== 'tomato and cheese')
  const sum = base[args.size] + _.sumBy(toppings, name => _.get(dear, name, 0.9)) + (_.startsWith(args.delivery, 'brought') ? 2 : 0)
  temp.price = _.round(sum, 2).toFixed(2)
}

return price()
