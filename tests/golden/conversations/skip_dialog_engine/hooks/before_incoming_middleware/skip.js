const { SKIP_DIALOG_ENGINE, FORCE_PERSIST_STATE } = bp.IO.WellKnownFlags
event.state.user.last = event.state.session.last = event.state.temp.last = event.preview
if (event.preview === 'skip' || event.preview === 'force') event.setFlag(SKIP_DIALOG_ENGINE, true)
if (event.preview === 'force') event.setFlag(FORCE_PERSIST_STATE, true)
