/**
 * Reads a date, day first. `temp.problem` says what is wrong with it.
 * @title Take the birthday
 * @category Patients
 * @author Front desk
 * @param {string} text - What the patient wrote
 */
const takeBirthday = text => {
  const [, day, month, year] = /^\s*(\d{1,2})[\/. -](\d{1,2})[\/. -](\d{4})\s*$/.exec(text) || []
  const date = new Date(Date.UTC(year, month - 1, day))

  if (!year) {
    temp.problem = 'day/month/year'
  } else if (date.getUTCMonth() !== month - 1) {
    temp.problem = 'there is no such day'
  } else if (date > event.createdOn || year < 1900) {
    temp.problem = 'the year'
  } else {
    delete temp.problem
    temp.patient.born = date.toISOString().slice(0, 10)
    event.state.user.born = [day, month, year].join('/')
  }
}

return takeBirthday(args.text)
