// The shop's page, or its back office, sends `feedback-request` with the number of an order that has arrived.
if (event.type === 'feedback-request') {
  return ask()
}

async function ask() {
  const { temp, context } = event.state
  // The web chat wraps what the page sent into the payload of its own request.
  const sent = event.payload.payload || {}
  const { order } = sent.payload || sent

  // Once for each order, and never in the middle of a talk. After a crash the same event may come again: it may ask.
  const key = `asked/${event.target}/${order}`
  const asked = await bp.kvs.get(event.botId, key)
  if (context.currentFlow || (asked && asked !== event.id)) {
    event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
    return
  }
  await bp.kvs.set(event.botId, key, event.id)
  temp.order = order
  await bp.dialog.jumpTo(bp.dialog.createId(event), event, 'feedback')
}
