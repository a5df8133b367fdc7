const _ = require('lodash')
/**
 * Makes a ticket of what was reported.
 * @title Create a ticket
 * @category Tickets
 * @author IT
 * @param {string} summary - What it is about
 * @param {string} urgency - low, normal or high
 */
const createTicket = async () => {
  const tickets = (await bp.kvs.get(event.botId, 'tickets')) || []
  const ticket = { number: `T-${_.padStart(tickets.length + 1, 3, '0')}`, summary: args.summary, urgency: args.urgency || 'normal', by: event.target, open: true }
  await bp.kvs.set(event.botId, 'tickets', [...tickets, ticket])
  temp.ticket = ticket
  bp.logger.info(`${ticket.number}: ${ticket.summary}`)
}

return createTicket()
