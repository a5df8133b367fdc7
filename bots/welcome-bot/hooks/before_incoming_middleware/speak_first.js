// A page that is opened may send `proactive-trigger`, and the bot speaks first: the event begins the main flow.
// In a session that is under way it would be taken for the user's answer, each time a page is opened; so it is skipped.
if (event.type === 'proactive-trigger' && event.state.session.lastMessages.length) {
  event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
}
