/** Markdown to HTML that cannot do anything. A chunk of its own: marked and DOMPurify are the heaviest we have. */

import DOMPurify from 'dompurify'
import { Marked } from 'marked'
import { safeLink, safeMedia } from './url'

const marked = new Marked({ gfm: true, breaks: true, async: false })

const TAGS =
  'a b blockquote br code del em h1 h2 h3 h4 h5 h6 hr i img kbd li ol p pre s strong sub sup table tbody td th thead tr u ul'.split(
    ' '
  )

/** A purifier of our own: the page's, if it has one, may have other hooks. */
const purifier = DOMPurify(window)

let host = ''

purifier.addHook('afterSanitizeAttributes', node => {
  const tag = node.nodeName
  if (tag === 'A') {
    const href = safeLink(node.getAttribute('href'), host)
    if (href === undefined) node.removeAttribute('href')
    else {
      node.setAttribute('href', href)
      node.setAttribute('target', '_blank')
      node.setAttribute('rel', 'noopener noreferrer nofollow ugc')
    }
  }
  if (tag === 'IMG') {
    const src = safeMedia(node.getAttribute('src'), host)
    if (src === undefined) node.remove()
    else {
      node.setAttribute('src', src)
      node.setAttribute('loading', 'lazy')
      node.setAttribute('referrerpolicy', 'no-referrer')
      if (!node.hasAttribute('alt')) node.setAttribute('alt', '')
    }
  }
  // Each block is written in the direction of its own first letters; what lies within lists and quotations follows them,
  // so that marks and indents stay on the side where the words begin.
  const block = /^(?:P|H[1-6]|UL|OL|BLOCKQUOTE|TD|TH)$/.test(tag)
  if (block && !node.parentElement?.closest('li, blockquote')) node.setAttribute('dir', 'auto')
})

/** Sanitized HTML of a Markdown text. */
export function toHtml(text: string, from: string): string {
  host = from
  return purifier.sanitize(marked.parse(text) as string, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ['href', 'src', 'alt', 'title', 'start', 'align'],
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    ALLOW_UNKNOWN_PROTOCOLS: false
  })
}
