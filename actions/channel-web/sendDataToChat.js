/**
 * Sends data to the page that the chat is in; the page hears it as the event `webchat.data`.
 * @title Send data to the chat's page
 * @category Channel Web
 * @author nudge
 * @param {any} data - What the page gets
 */
if (event.channel === 'web') {
  if (bp.realtime) {
    bp.realtime.sendPayload(bp.RealTimePayload.forVisitor(event.target, 'webchat.data', { payload: args.data }))
  } else {
    // No answer depends on what a page is told: the dialog goes on as if the page had been closed.
    console.warn('sendDataToChat: nothing was sent, this server cannot send messages to pages yet (bp.realtime)')
  }
}
