/**
 * Looks an appointment up. Where the book cannot be read, the flow goes on at `calendar-down`.
 * @title Find a booking
 * @category Appointments
 * @author Front desk
 * @param {string} ref - Its reference
 */
const findBooking = async ref => {
  if (ref === 'E13') {
    throw new Error('page 13 is missing from the book')
  }
  if (ref === 'E99') {
    temp.onErrorFlowTo = 'cancel.flow.json#calendar-down'
    throw new Error('the book is closed')
  }
  temp.ref = ref
  temp.asked = (temp.asked || 0) + 1
  temp.booking = await bp.kvs.forBot(event.botId).get('bookings', ref)
}

return findBooking(args.ref.toUpperCase().trim())
