/**
 * Finds what was asked for in the user's answer: `temp.answer` is what was found, `temp.valid` whether it was there.
 * @title Read an answer
 * @category Welcome bot
 * @author nudge
 * @param {string} kind - What was asked for: `name` or `email`
 * @param {string} text - What the user wrote
 */
const readers = {
  name(text) {
    const name = text.replace(/^(my name is|i am|i'm|je m'appelle|je suis|moi c'est)\s+/i, '').replace(/[.!]+$/, '').trim()
    return /^\p{L}[\p{L}' -]{0,39}$/u.test(name) && name
  },
  email(text) {
    if (/^(skip|no|non|passer)\b/i.test(text)) {
      return ''
    }
    const found = /[^\s@<>,;]+@[^\s@<>,;]+\.\p{L}{2,}/u.exec(text)
    return found && found[0].toLowerCase()
  }
}

const found = readers[args.kind](String(args.text).replace(/’/g, "'").trim())
temp.valid = typeof found === 'string'
temp.answer = temp.valid ? found : ''
