// The page of a product sends `proactive-trigger` with the product's name when somebody has stayed with it for a while.
if (event.type === 'proactive-trigger') {
  return suggest()
}

async function suggest() {
  const { session, temp, context } = event.state
  // The web chat wraps what the page sent into the payload of its own request.
  const sent = event.payload.payload || {}
  const { product } = sent.payload || sent
  const known = product && (await bp.cms.getContentElement(event.botId, `builtin_card-${product}`))

  // Once a session, never in the middle of a talk, and only what the shop has.
  if (!known || session.suggested || context.currentFlow) {
    event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
    return
  }
  session.suggested = product
  temp.product = product
  await bp.dialog.jumpTo(bp.dialog.createId(event), event, 'suggestion')
}
