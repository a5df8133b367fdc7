/**
 * Lets the next messages be understood in these contexts and no others; without any, as if none had been asked for.
 * @title Reset context
 * @category NLU
 * @author nudge
 * @param {string} [contexts] - Names of contexts, with commas between them
 */
const names = String(args.contexts || '').split(',').map(name => name.trim()).filter(Boolean)

session.nluContexts = names.map(context => ({ context, ttl: 1 }))
