/** Texts: plain ones with their links and line breaks, and Markdown. */

import { useEffect, useMemo, useState } from 'preact/hooks'
import type { ComponentChildren } from 'preact'
import { safeLink } from './url'

/** Above this a Markdown text is shown as it was written: no bot writes that much, and it costs the visitor's time. */
export const LONGEST_MARKDOWN = 10_000

type ToHtml = typeof import('./markdown').toHtml

let toHtml: ToHtml | undefined
let loading: Promise<void> | undefined

/** Loads what turns Markdown into HTML; once. Worth calling when nothing else is to be done. */
export function loadMarkdown(): Promise<void> {
  loading ??= import('./markdown').then(
    loaded => {
      toHtml = loaded.toHtml
    },
    (error: unknown) => {
      // Without a network now, perhaps with one at the next message.
      loading = undefined
      throw error
    }
  )
  return loading
}

/** The text of a bot in Markdown; as it was written until the renderer is there. */
export function MarkdownText({ text, host }: { text: string; host: string }) {
  const render = useMarkdown()
  const html = useMemo(() => {
    if (!render || text.length > LONGEST_MARKDOWN) return undefined
    try {
      // Of what is nothing but forbidden markup, nothing is left: then it is shown as it was written.
      return render(text, host).trim() || undefined
    } catch {
      // Thousands of quotations within each other are more than marked can take.
      return undefined
    }
  }, [render, text, host])
  if (html === undefined) return <PlainText text={text} host={host} />
  return <div class="bpw-markdown" dir="auto" dangerouslySetInnerHTML={{ __html: html }} />
}

function useMarkdown(): ToHtml | undefined {
  const [, redraw] = useState(0)
  useEffect(() => {
    if (toHtml) return
    let shown = true
    loadMarkdown().then(
      () => shown && redraw(1),
      () => undefined
    )
    return () => {
      shown = false
    }
  }, [])
  return toHtml
}

/** A text as it was written, its addresses being links. */
export function PlainText({ text, host }: { text: string; host: string }) {
  return (
    <p class="bpw-text" dir="auto">
      {linked(text, host)}
    </p>
  )
}

/** An address or a mail address in running text. Each part can match in one way only, so long texts stay quick. */
const ADDRESS = /https?:\/\/[^\s<>"]{1,2000}|[a-z0-9][a-z0-9._+-]{0,63}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,4}/gi

function linked(text: string, host: string): ComponentChildren[] {
  const parts: ComponentChildren[] = []
  let done = 0
  for (const found of text.matchAll(ADDRESS)) {
    // The full stop or bracket after an address belongs to the sentence.
    let address = found[0].replace(/[.,;:!?'’”»)\]}]+$/, '')
    if (found[0].startsWith(`${address})`) && address.includes('(')) address += ')'
    const href = safeLink(address.includes('://') ? address : `mailto:${address}`, host)
    if (href === undefined) continue
    parts.push(text.slice(done, found.index))
    parts.push(
      <a href={href} target="_blank" rel="noopener noreferrer nofollow ugc">
        {address}
      </a>
    )
    done = found.index + address.length
  }
  parts.push(text.slice(done))
  return parts
}
