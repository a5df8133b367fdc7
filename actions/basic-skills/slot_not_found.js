/**
 * The message said nothing about the slot: that is one attempt more, in `session.extractedSlots.notFound`. With the last one
 * `temp.notExtracted` is "true", by which a flow can leave.
 * @title Count an answer without the slot
 * @category Skills
 * @author nudge
 * @hidden true
 * @param {number} [retryAttempts=3] - The last attempt
 */
const last = Number(args.retryAttempts) || 3
const kept = { notFound: 0, ...session.extractedSlots }

session.extractedSlots = { ...kept, notFound: kept.notFound + 1 }
if (kept.notFound + 1 >= last) {
  temp.notExtracted = 'true'
}
