/**
 * Sends data to the page that the chat is in; the page hears it as the event `webchat.data`.
 * @title Send data to the chat's page
 * @category Channel Web
 * @author nudge
 * @param {any} data - What the page gets
 */
if (event.channel === 'web') {
  bp.realtime.sendPayload(bp.RealTimePayload.forVisitor(event.target, 'webchat.data', { payload: args.data }))
}
