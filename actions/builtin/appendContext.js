/**
 * Lets the next messages be understood in more contexts.
 * @title Append context
 * @category NLU
 * @author nudge
 * @param {string} contexts - Names of contexts, with commas between them
 * @param {number} [ttl=1] - For how many messages; 0 is until they are removed
 */
const names = String(args.contexts || '').split(',').map(name => name.trim()).filter(Boolean)
const ttl = args.ttl === undefined || args.ttl === '' ? 1 : Number(args.ttl)

// The hooks nlu_contexts hand these to the NLU and count their turns down; an entry without a number of turns stays.
const kept = (session.nluContexts || []).filter(entry => !names.includes(entry.context))
session.nluContexts = [...kept, ...names.map(context => (ttl > 0 ? { context, ttl } : { context }))]
