const { get, difference, map, filter } = require('lodash')

/**
 * The first time that is free, or nothing.
 * @title Find a time
 * @category Appointments
 * @author Front desk
 * @param {string} doctor - Whose
 * @param {string} day - When
 * @param {string} times - The times in question, separated by commas
 */
const findTime = async () => {
  const bookings = await bp.kvs.forBot(event.botId).get('bookings')
  const taken = map(filter(bookings, { doctor: args.doctor, day: args.day }), 'time')
  temp.time = get(difference(args.times.split(', '), taken), 0, '')
}

return findTime()
