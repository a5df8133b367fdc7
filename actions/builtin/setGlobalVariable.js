/**
 * Sets a variable that all users of the bot share.
 * @title Set global variable
 * @category Storage
 * @author nudge
 * @param {string} name - Its name
 * @param {any} value - Its value
 * @param {string} [expiry=never] - How long it stays, such as 10m or 6 hours
 * @param {string} [output] - A variable of temp that gets the value as well
 */
const { name, value, expiry, output } = args

await bp.kvs.setStorageWithExpiry(event.botId, bp.kvs.getGlobalStorageKey(name), value, expiry || 'never')
if (output) {
  temp[output] = value
}
