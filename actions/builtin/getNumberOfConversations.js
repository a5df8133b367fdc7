/**
 * Reads how many conversations of this user were counted into the dialog's memory.
 * @title Get number of conversations
 * @category Storage
 * @author nudge
 * @param {string} output - The variable of temp that gets the number
 */
const key = bp.kvs.getUserStorageKey(event.target, 'numberOfConversations')

temp[args.output] = (await bp.kvs.get(event.botId, key)) || 0
