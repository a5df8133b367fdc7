// The page sends `proactive-trigger` when it is opened, with its path.
if (event.type === 'proactive-trigger') {
  if (event.state.session.lastMessages.length) {
    // The visitor and the bot have talked: in a session, each further page would be taken for an answer.
    event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
  } else {
    // The web chat wraps what the page sent into the payload of its own request.
    const sent = event.payload.payload || {}
    event.state.temp.page = (sent.payload || sent).page
  }
}
