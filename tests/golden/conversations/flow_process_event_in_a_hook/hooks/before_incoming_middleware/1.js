if (event.preview === 'hi') {
  const id = bp.dialog.createId(event)
  await bp.dialog.jumpTo(id, event, 'other')
  await bp.dialog.processEvent(id, event)
  event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
  console.log('now at', event.state.context.currentNode)
}
