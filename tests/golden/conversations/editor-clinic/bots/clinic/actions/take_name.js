const _ = require('lodash')

/**
 * Reads a first and a last name.
 * @title Take the name
 * @category Patients
 * @author Front desk
 * @param {string} text - What the patient wrote
 */
const takeName = async text => {
  const [first, ...rest] = _.words(text, /[\p{L}'-]+/gu).map(_.upperFirst)
  temp.patient = { ...temp.patient, first, last: rest.join(' ') }
  if (rest.length) {
    user.name = `${first} ${temp.patient.last}`
  }
}

return takeName(args.text)
