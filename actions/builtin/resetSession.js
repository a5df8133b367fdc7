/**
 * Forgets what the session and the dialog remember. The dialog goes on where it is, and the user's own variables stay.
 * @title Reset session
 * @category Storage
 * @author nudge
 */
// Emptied and not replaced: others hold the same objects.
for (const memory of [event.state.session, event.state.temp]) {
  for (const name of Object.keys(memory)) {
    delete memory[name]
  }
}
event.state.session.lastMessages = []
