const _ = require('lodash')

/**
 * Takes the appointment in `temp.booking` out of the book.
 * @title Remove the booking
 * @category Appointments
 * @author Front desk
 */
const removeBooking = async () => {
  const book = bp.kvs.forBot(event.botId)
  await book.set('bookings', _.omit(await book.get('bookings'), temp.booking.ref))
  delete event.state['user']['booking']
}

return removeBooking()
