const _ = require('lodash')
/**
 * @title Find the printer
 * @category Printers
 * @author IT
 * @param {string} text - The floor
 */
const floor = _.parseInt(_.first(args.text.match(/\d+/)))
temp.floor = _.inRange(floor, 1, 6) ? floor : undefined
temp.jobs = temp.floor && floor * 3 + 1
