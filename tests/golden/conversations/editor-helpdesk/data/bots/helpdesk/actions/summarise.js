const _ = require('lodash')
/**
 * Cuts what was said to a length that fits into the list of tickets.
 * @title Summarise
 * @category Tickets
 * @author IT
 * @param {string} text - What was said
 * @param {string} [length=60] - How long it may be
 */
const summarise = (text, length) => {
  const summary = _.upperFirst(_.truncate(_.trim(text), { length: Number(length), separator: ' ', omission: '…' }))
  event.state.temp.summary = summary
  event.state.temp.cut = _.endsWith(summary, '…')
}

return summarise(args.text, args.length)
