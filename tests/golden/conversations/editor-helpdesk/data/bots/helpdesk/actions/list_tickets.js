const _ = require('lodash')
/**
 * The user's open tickets, in `temp.tickets`.
 * @title List tickets
 * @category Tickets
 * @author IT
 */
const listTickets = async () => {
  const mine = _.filter(await bp.kvs.get(event.botId, 'tickets'), { by: event.target, open: true })
  temp.tickets = _.map(mine, ticket => _.pick(ticket, 'number', 'summary'))
  temp.urgent = _.size(_.filter(mine, { urgency: 'high' }))
}

return listTickets()
