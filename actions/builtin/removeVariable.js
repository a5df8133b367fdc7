/**
 * Removes a variable of the user, the session, the dialog or the bot.
 * @title Remove variable
 * @category Storage
 * @author nudge
 * @param {string} type - Whose it is: user, session, temp or bot
 * @param {string} name - Its name
 */
const { type, name } = args

if (!['user', 'session', 'temp', 'bot'].includes(type)) {
  throw new TypeError(`removeVariable: "type" must be user, session, temp or bot, got ${JSON.stringify(type)}`)
}
if (typeof name !== 'string' || name === '') {
  throw new TypeError(`removeVariable: "name" must be a text that is not empty, got ${JSON.stringify(name)}`)
}

delete event.state[type][name]
if (type === 'bot') {
  await bp.kvs.delete(event.botId, 'global', [name])
}
