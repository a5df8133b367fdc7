/**
 * Speaks another language with this user from now on.
 * @title Switch language
 * @category Utils
 * @author nudge
 * @param {string} lang - The code of the language, such as fr
 */
if (typeof args.lang !== 'string' || args.lang === '') {
  throw new TypeError(`switchLanguage: "lang" must be the code of a language, got ${JSON.stringify(args.lang)}`)
}
event.state.user.language = args.lang
