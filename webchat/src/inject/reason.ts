/** Why there is no chat in the page: for its author, in one sentence that says what to do. */

import type { Host } from './address'

/** Asks the server once more what it has to say of the bot's chat. Never fails. */
export async function reasonOf({ base, origin }: Host, botId: string): Promise<string> {
  const address = `${base}/lite/${encodeURIComponent(botId)}/`
  const ask = (mode: RequestMode) => fetch(address, { mode, credentials: 'omit' }).catch(() => undefined)
  const answer = await ask('cors')
  if (answer?.ok)
    return `the bot "${botId}" is there, but this page does not let its chat in: the page's content security policy needs \`frame-src ${origin}\`, and \`frameAncestors\` of the server's config/channel-web.json, if set, the origin ${location.origin}`
  const text = await answer?.text().catch(() => '')
  // What other servers, and proxies, answer has no such codes.
  if (text?.includes('BP_0044'))
    return `there is no bot "${botId}" on ${base}: \`botId\` must be the name of a folder in the server's bots/ whose bot.config.json does not say \`"disabled": true\``
  if (text?.includes('BP_0041'))
    return `the bot "${botId}" is private, and private bots have no web chat: take \`"private": true\` out of its bot.config.json, or name another bot`
  // An answer that pages of other origins may not read.
  if (answer || (await ask('no-cors')))
    return `what answers at ${address} is no server of bots, or not a chat: open it to see, and see whether \`host\` is right`
  return `${address} could not be reached: see whether \`host\` is right, the server runs, and the page's content security policy has \`connect-src ${origin}\``
}
