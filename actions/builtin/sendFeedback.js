/**
 * Keeps what the user thinks of an answer, under the key `feedback/<event id>` of bp.kvs.
 * @title Send feedback
 * @category Utils
 * @author nudge
 * @param {number} feedback - 1 is good, -1 is bad
 * @param {string} [eventId] - The event that was answered; the one of the bot's last turn before this message
 * @param {string} [type] - What kind of answer it was, such as qna
 */
const feedback = Number(args.feedback)
if (feedback !== 1 && feedback !== -1) {
  throw new TypeError(`sendFeedback: "feedback" must be 1 or -1, got ${JSON.stringify(args.feedback)}`)
}

const answered = (session.lastMessages || []).filter(turn => turn.eventId !== event.id).pop()
const eventId = args.eventId || (answered && answered.eventId)
if (eventId) {
  const { channel, target, threadId, createdOn } = event
  await bp.kvs.set(event.botId, `feedback/${eventId}`, { feedback, type: args.type, channel, target, threadId, on: createdOn })
} else {
  // A user who is pleased with nothing is no reason to stop the dialog.
  console.warn('sendFeedback: nothing was kept, the bot has said nothing yet; name the event with "eventId"')
}
