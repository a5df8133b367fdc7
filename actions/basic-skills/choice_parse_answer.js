/**
 * Finds out which choice the user means. The skill's flow tests `temp['skill-choice-valid'] === true` after it, the node that
 * called the skill tests `temp['skill-choice-ret'] == "VALUE"`. A skill with a random id, as the editor of 12 makes them, has
 * `-<id>` behind the names of both; one with a variable name has that instead, so both are written.
 * @title Parse the answer to a choice
 * @category Skills
 * @author nudge
 * @hidden true
 * @param {string} contentId - The element that showed the choices
 * @param {object} keywords - What stands for each value: { VALUE: ['word', 'intent:name'] }
 * @param {string} [randomId] - What tells this skill's variables from those of others
 * @param {object} [config] - What the editor knows of the skill: nbMaxRetries, variableName
 */
const config = args.config || {}
const keywords = typeof args.keywords === 'string' ? JSON.parse(args.keywords || '{}') : args.keywords || {}
const values = Object.keys(keywords)
const listOf = value => [].concat(keywords[value]).filter(word => typeof word === 'string' && word.trim() !== '')
const plain = text => (typeof text === 'string' || typeof text === 'number' ? String(text).trim().toLowerCase() : '')
const payload = event.payload || {}
const texts = [...new Set([payload.payload, event.preview, payload.text].map(plain).filter(Boolean))]
const choices = values.map(value => ({
  value,
  name: plain(value),
  words: listOf(value).filter(word => !word.startsWith('intent:')).map(plain)
}))
const number = texts.map(text => /^#?(\d{1,3})[.)]?$/.exec(text)).find(Boolean)

const chosen = exactly() || (number && (await byNumber(number[1]))) || byIntent() || within()

const ids = [args.randomId, config.variableName].filter(Boolean)
for (const suffix of ids.length ? ids.map(id => `-${id}`) : ['']) {
  const count = `skill-choice-invalid-count${suffix}`
  temp[`skill-choice-valid${suffix}`] = chosen !== undefined
  if (chosen !== undefined) {
    temp[`skill-choice-ret${suffix}`] = chosen
  } else {
    delete temp[`skill-choice-ret${suffix}`]
  }
  // Who answered, or gave up, has all attempts again the next time this choice, or another one, is shown.
  if (chosen !== undefined || temp[count] > config.nbMaxRetries) {
    delete temp[count]
  }
}

/** What was clicked comes as the value itself; an answer that is all of a keyword means no other choice. */
function exactly() {
  for (const text of texts) {
    const choice = choices.find(({ name, words }) => name === text || words.includes(text))
    if (choice) {
      return choice.value
    }
  }
}

/** `2`, `2.` and `#2` are the second choice of the list. */
async function byNumber(digits) {
  const { matchNumbers } = await bp.config.getModuleConfigForBot('basic-skills', event.botId)
  if (matchNumbers === false) {
    return undefined
  }
  const language = user.language || (await bp.bots.getBotById(event.botId)).defaultLanguage || 'en'
  const element = await bp.cms.getContentElement(event.botId, args.contentId, language)
  const { choices, options } = (element && element.formData) || {}
  const choice = (choices || options || [])[Number(number[1]) - 1]
  return choice && choice.value
}

function byIntent() {
  const intent = event.nlu && event.nlu.intent && event.nlu.intent.name
  return intent ? values.find(value => listOf(value).includes(`intent:${intent}`)) : undefined
}

/** Of several choices whose keywords are within the text the one with the longest: "not sure" says more than "no". */
function within() {
  let found, longest = 0
  for (const { value, words } of choices) {
    for (const word of words) {
      if (word.length > longest && texts.some(text => text.includes(word))) {
        found = value
        longest = word.length
      }
    }
  }
  return found
}
