/**
 * Begins to ask for a slot: what an earlier slot skill left in `temp` and its count of attempts go, and the next messages are
 * understood in the contexts of the slot's intent.
 * @title Begin a slot
 * @category Skills
 * @author nudge
 * @hidden true
 * @param {string} intentName - The intent that the slot belongs to
 */
for (const mark of ['extracted', 'notExtracted', 'alreadyExtracted', 'valid']) {
  delete temp[mark]
}
if (session.extractedSlots) {
  delete session.extractedSlots.notFound
}

// Where there is no NLU that reads intents from files, contexts stay as they are.
const file = `${args.intentName}.json`
const files = bp.ghost && bp.ghost.forBot(event.botId)
if (files && (await files.fileExists('intents', file))) {
  const { contexts } = await files.readFileAsObject('intents', file)
  session.nluContexts = (contexts || []).map(context => ({ context }))
}
