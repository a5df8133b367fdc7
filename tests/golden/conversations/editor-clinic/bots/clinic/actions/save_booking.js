/**
 * Writes the appointment into the book.
 * @title Save the booking
 * @category Appointments
 * @author Front desk
 */
const saveBooking = async () => {
  const book = bp.kvs.forBot(event.botId)
  const number = ((await book.get('numbers', 'last')) || 0) + 1
  await book.set('numbers', number, 'last')

  const { doctor, day, time } = args
  const booking = { ref: `E${number}`, doctor, day, time, patient: temp.patient }
  await book.set('bookings', booking, booking.ref)

  temp.booking = booking
  user.booking = booking.ref
}

return saveBooking()
