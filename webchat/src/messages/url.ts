/** Which addresses are followed. Everything that comes from a payload goes through here before it is put in a page. */

/** Longest address that is used; pictures as `data:` may be longer. */
const LONGEST = 8_000
/** Longest `data:` picture: about 3 MB of image. */
const LONGEST_DATA = 4_000_000

const LINKS = new Set(['http:', 'https:', 'mailto:', 'tel:'])
const MEDIA = new Set(['http:', 'https:', 'blob:'])
/** Pictures only, and none that is a document: an SVG can hold scripts. */
const DATA = /^data:image\/(?:png|jpe?g|gif|webp|avif|bmp);base64,[a-z0-9+/=]+$/i
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/

/** The address of a link (http, https, mailto, tel), absolute; undefined if it is none of those. */
export function safeLink(value: unknown, host: string): string | undefined {
  const url = parsed(value, host)
  return url && LINKS.has(url.protocol) ? url.href : undefined
}

/** The address of a picture, film or sound (http, https, our own blobs, raster images as data), absolute. */
export function safeMedia(value: unknown, host: string): string | undefined {
  if (typeof value === 'string' && value.length <= LONGEST_DATA && DATA.test(value)) return value
  const url = parsed(value, host)
  if (!url || !MEDIA.has(url.protocol)) return undefined
  // Those of others cannot be loaded, and the browser complains.
  return url.protocol === 'blob:' && url.origin !== location.origin ? undefined : url.href
}

function parsed(value: unknown, host: string): URL | undefined {
  if (typeof value !== 'string' || value.length > LONGEST) return undefined
  const address = value.trim()
  // Browsers leave out tabs and line breaks within an address: what is checked would not be what is opened.
  if (address === '' || CONTROL.test(address)) return undefined
  try {
    const url = new URL(address, base(host))
    // `https://bank.example@evil.example` shows one name and opens another.
    if (url.username || url.password) url.username = url.password = ''
    return url
  } catch {
    return undefined
  }
}

/** A host that ends in a slash, so that its path counts; the page's own address where it is none. */
function base(host: string): string {
  try {
    const url = new URL(host.endsWith('/') ? host : `${host}/`, document.baseURI)
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : document.baseURI
  } catch {
    return document.baseURI
  }
}

/** What stands after the last slash of an address, readable; empty where nothing does. */
export function lastPart(url: string | undefined): string {
  if (!url || /^(?:data|blob):/i.test(url)) return ''
  const part =
    url
      .replace(/[?#].*$/s, '')
      .split('/')
      .pop() ?? ''
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
