/**
 * Takes contexts away that the next messages would be understood in.
 * @title Remove context
 * @category NLU
 * @author nudge
 * @param {string} contexts - Names of contexts, with commas between them
 */
const names = String(args.contexts || '').split(',').map(name => name.trim())

session.nluContexts = (session.nluContexts || []).filter(entry => !names.includes(entry.context))
