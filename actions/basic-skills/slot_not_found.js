/**
 * Counts, in `session.extractedSlots.notFound`, a message that said nothing about the slot. At the last attempt `temp.notExtracted`
 * becomes "true", which the skill's transitions test.
 * @title Count an answer without the slot
 * @category Skills
 * @author nudge
 * @hidden true
 * @param {number} [retryAttempts=3] - How many such messages there may be
 */
const slots = (session.extractedSlots = session.extractedSlots || {})
slots.notFound = (slots.notFound || 0) + 1

if (slots.notFound >= (Number(args.retryAttempts) || 3)) {
  temp.notExtracted = 'true'
}
