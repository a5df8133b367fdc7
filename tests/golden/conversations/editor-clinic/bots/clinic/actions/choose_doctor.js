/**
 * Either doctor means the one with fewer appointments.
 * @title Choose the doctor
 * @category Appointments
 * @author Front desk
 * @param {string} wanted - A doctor, or `any`
 */
const chooseDoctor = async wanted => {
  const booked = Object.values((await bp.kvs.forBot(event.botId).get('bookings')) || {})
  const count = name => booked.filter(booking => booking.doctor === name).length
  temp.doctor = wanted === 'any' ? (count('Dr Birch') < count('Dr Ash') ? 'Dr Birch' : 'Dr Ash') : wanted
}

return chooseDoctor(args.wanted)
