const _ = require('lodash')

/**
 * Looks an employee up by the number on the badge.
 * @title Identify
 * @category People
 * @author IT
 * @param {string} number - What was typed
 */
const identify = async number => {
  const people = { AB1234: 'Mona', CD0042: 'Nils' }
  const id = _.toUpper(_.replace(number, /\s/g, ''))
  const left = _.get(event.state, 'temp.left', 3) - 1
  _.assign(event.state.temp, { tried: id, left })
  if (_.has(people, id)) {
    event.state.user.employee = { id, name: people[id] }
  }
}

return identify(args.number)
