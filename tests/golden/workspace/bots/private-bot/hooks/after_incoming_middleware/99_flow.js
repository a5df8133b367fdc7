// What this bot's flow did when the exchanges were recorded: it answers whatever a flow would be asked.
const { SKIP_DIALOG_ENGINE } = bp.IO.WellKnownFlags

const say = async () => {
  const args = { text: 'Hello there!', typing: false }
  const payloads = await bp.cms.renderElement('builtin_text', args, event)
  await bp.events.replyToEvent(event, payloads)
}

if (!event.hasFlag(SKIP_DIALOG_ENGINE)) {
  event.setFlag(SKIP_DIALOG_ENGINE, true)
  return say()
}
