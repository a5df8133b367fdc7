// This bot's flow said nothing when the exchanges were recorded.
event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
