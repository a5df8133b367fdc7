// What this bot's flow did when the exchanges were recorded: it answers whatever a flow would be asked.
const { SKIP_DIALOG_ENGINE } = bp.IO.WellKnownFlags

const say = async () => {
  event.state.session.lastMessages.push({
    eventId: event.id, incomingPreview: event.preview, replyConfidence: 1, replySource: 'dialogManager',
    replyDate: new Date(), replyPreview: '#!builtin_text-hello0',
  })
  const args = { text: 'Hello there!', typing: false }
  const payloads = await bp.cms.renderElement('builtin_text', args, event)
  await bp.events.replyToEvent(event, payloads)
}

if (!event.hasFlag(SKIP_DIALOG_ENGINE)) {
  event.setFlag(SKIP_DIALOG_ENGINE, true)
  event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
  return say()
}
