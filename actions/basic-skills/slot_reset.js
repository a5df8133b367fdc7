/**
 * Forgets the slots that were filled, or one of them.
 * @title Reset slots
 * @category Skills
 * @author nudge
 * @param {string} [slotName] - The name of a slot; without one it is all of them
 */
if (args.slotName) {
  delete (session.extractedSlots || {})[args.slotName]
} else {
  session.extractedSlots = {}
}
