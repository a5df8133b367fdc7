/**
 * Goes to the flow of who is on call, if the ticket is that urgent. From there it goes back to where the ticket was asked for.
 * @title Escalate
 * @category Tickets
 * @author IT
 * @param {string} from - The urgency that is called for
 */
const escalate = async () => {
  if (event.state.temp.ticket.urgency === args.from) {
    const sessionId = bp.dialog.createId(event)
    await bp.dialog.jumpTo(sessionId, event, 'oncall.flow.json')
  }
}

return escalate()
