/**
 * Sets a variable of the user, the session, the dialog or the bot; an empty value removes it.
 * @title Set variable
 * @category Storage
 * @author nudge
 * @param {string} type - Whose it is: user, session, temp or bot
 * @param {string} name - Its name
 * @param {any} value - Its value; nothing, or the text null, removes the variable
 */
const { type, name, value } = args

if (!['user', 'session', 'temp', 'bot'].includes(type)) {
  throw new TypeError(`setVariable: "type" must be user, session, temp or bot, got ${JSON.stringify(type)}`)
}
if (typeof name !== 'string' || name === '') {
  throw new TypeError(`setVariable: "name" must be a text that is not empty, got ${JSON.stringify(name)}`)
}

const variables = event.state[type]
// A template can only bring forth text, so that "nothing" arrives as an empty one or as "null".
if (value === undefined || value === null || value === '' || value === 'null') {
  delete variables[name]
  if (type === 'bot') {
    await bp.kvs.delete(event.botId, 'global', [name])
  }
} else {
  variables[name] = value
  // Only that name is written: two users may set different ones at the same time.
  if (type === 'bot') {
    await bp.kvs.set(event.botId, 'global', value, [name])
  }
}
