/**
 * Removes a variable that all users of the bot share.
 * @title Reset global variable
 * @category Storage
 * @author nudge
 * @param {string} name - Its name
 */
await bp.kvs.delete(event.botId, bp.kvs.getGlobalStorageKey(args.name))
