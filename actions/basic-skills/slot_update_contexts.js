/**
 * A flow is about to ask for a slot: the count of attempts starts over, marks in `temp` of a slot before go, and where the contexts of
 * the slot's intent can be read, the next messages are understood in them.
 * @title Begin a slot
 * @category Skills
 * @author nudge
 * @hidden true
 * @param {string} intentName - The intent of which the slot is a part
 */
delete temp.extracted
delete temp.notExtracted
delete temp.alreadyExtracted
delete temp.valid

if (session.extractedSlots) {
  const { notFound, ...slots } = session.extractedSlots
  session.extractedSlots = slots
}

// Intents are files, and not every server gives scripts its files.
const ghost = bp.ghost && bp.ghost.forBot(event.botId)
const intent = `${args.intentName}.json`
if (ghost && (await ghost.fileExists('intents', intent))) {
  const { contexts = [] } = await ghost.readFileAsObject('intents', intent)
  session.nluContexts = contexts.map(name => ({ context: name }))
}
