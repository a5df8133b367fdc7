const _ = require('lodash')
/**
 * Closes the ticket that was named, such as "close T-001".
 * @title Close a ticket
 * @category Tickets
 * @author IT
 * @param {string} text - What was said
 */
const closeTicket = async text => {
  const number = _.toUpper(_.first(/t-\d+/i.exec(text)))
  const tickets = await bp.kvs.get(event.botId, 'tickets')
  const at = _.findIndex(tickets, { number, by: event.target })
  if (at >= 0) {
    await bp.kvs.set(event.botId, 'tickets', false, `[${at}].open`)
    temp.closed = number
  }
}

return closeTicket(args.text)
