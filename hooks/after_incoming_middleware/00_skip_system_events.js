// Events that are no part of the talk never run the flow. Without this, every page load (`visit`) would.
switch (event.type) {
  case 'session_reset':
  case 'session_reference':
  case 'typing':
  case 'visit':
  case 'request_start_conversation':
  case 'say_something':
  case 'postback':
    event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
}
