/**
 * Reads a variable that all users of the bot share into the dialog's memory.
 * @title Get global variable
 * @category Storage
 * @author nudge
 * @param {string} name - Its name
 * @param {string} output - The variable of temp that gets the value; nothing if there is none
 */
temp[args.output] = await bp.kvs.getStorageWithExpiry(event.botId, bp.kvs.getGlobalStorageKey(args.name))
