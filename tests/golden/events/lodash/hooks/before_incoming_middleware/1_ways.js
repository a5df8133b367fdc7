const lodash = require('lodash')
const get = require('lodash/get')
const pick = require('lodash/pick.js')
console.log(lodash.VERSION, lodash._ === lodash, lodash === _, get === _.get, pick === _.pick)
console.log(_.chain([3, 1, 2]).sortBy().map(n => n * 2).value(), _.groupBy(['one', 'two', 'three'], 'length'))
console.log(_.merge({ a: { b: 1 } }, { a: { c: 2 } }), _.cloneDeep(event.payload), _.isEqual({ a: [1] }, { a: [1] }))
console.log(_.template('Hello <%= user.name %> {{x}}')({ user: { name: 'Ann' } }), _.startCase('someName'), _.uniq([1, 1, 2]))
console.log(_.isFunction(bp.events.replyToEvent), _.omit({ a: 1, b: 2 }, 'a'), _.toString([1, [2]]))
// All of it: what bears the name of something built in as well (bind, toString, valueOf).
const greet = _.bind(function (mark) { return this.name + mark }, { name: 'Ann' })
console.log(Object.keys(_).length, Object.keys(_.prototype).length, greet('!'), _.partial(greet, '?')(), _([1, 2]).valueOf())
for (const name of ['lodash/nope', 'lodash/fp', 'mustache/render']) {
  try {
    require(name)
  } catch (error) {
    console.log(error.code, error.message.replace(/; looked for .* more/, ''))
  }
}
