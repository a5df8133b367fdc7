/**
 * Counts one more conversation of this user.
 * @title Increment number of conversations
 * @category Storage
 * @author nudge
 */
await bp.kvs.increment(event.botId, bp.kvs.getUserStorageKey(event.target, 'numberOfConversations'))
