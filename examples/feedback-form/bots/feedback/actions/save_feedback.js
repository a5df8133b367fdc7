/**
 * Keeps the rating and the comment: all of them under `feedback/…`, the last one with the user.
 * @title Save the feedback
 * @category Feedback
 */
const feedback = { rating: temp.rating, comment: temp.comment || '', order: temp.order, on: event.createdOn }
// An event keeps its id when it runs again after a crash: nothing is kept twice.
await bp.kvs.set(event.botId, `feedback/${event.id}`, { ...feedback, user: event.target })
event.state.user.feedback = feedback
