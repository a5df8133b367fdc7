/** Where the server is, and where it has what. */

import type { Config } from '../types'

/** A server of bots. */
export interface Host {
  /** Its address without a slash at the end; it may have a path, such as `https://example.org/bots`. */
  base: string
  /** What messages are posted to, and must come from. */
  origin: string
}

/** Folder of this script on the server. */
const ASSETS = '/assets/modules/channel-web/'

/** The host that the page names, or else the one this script came from. */
export function hostOf(config: Config, script: string): Host {
  const named = config.host || script.split(ASSETS)[0] || ''
  const url = new URL(named, location.href)
  return { base: (url.origin + url.pathname).replace(/\/+$/, ''), origin: url.origin }
}

/** The style sheet of the page's side. */
export const styleAddress = (host: Host): string => `${host.base}${ASSETS}inject.css`

/**
 * The page in the frame. A `ref` in the page's own query string counts where the configuration has none. What proves who the
 * visitor is stands behind a `#`: browsers send that to no server, and servers log addresses.
 */
export function frameAddress(host: Host, config: Config, fromTheRight = false): string {
  const ref = config.ref || new URLSearchParams(location.search).get('ref')
  const { userSecret, externalAuthToken, ...rest } = config
  const options = encodeURIComponent(JSON.stringify({ config: rest }))
  const bot = encodeURIComponent(config.botId || '')
  // On which side of the page the frame is: the button in it stays there, whatever the language of the chat.
  const side = fromTheRight ? '&dir=rtl' : ''
  const address = `${host.base}/lite/${bot}/?m=channel-web&v=Embedded&options=${options}${side}`
  const secrets = userSecret || externalAuthToken ? JSON.stringify({ userSecret, externalAuthToken }) : ''
  return address + (ref ? `&ref=${encodeURIComponent(ref)}` : '') + (secrets && `#${encodeURIComponent(secrets)}`)
}
