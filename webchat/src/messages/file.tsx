/** Files: pictures, films and sounds where they stand; others as a link with name and size. */

import { useState } from 'preact/hooks'
import { FileText } from 'lucide-preact'
import { dirOf } from '../i18n'
import type { MessageContext } from './context'
import { type Fields, harmless, label, number, text } from './read'
import { lastPart, safeLink, safeMedia } from './url'

/** What a file is shown as. */
export type Medium = 'image' | 'video' | 'audio' | 'file'

const ENDINGS: Readonly<Record<string, Medium>> = Object.assign(Object.create(null) as Record<string, Medium>, {
  ...of('image', 'png jpg jpeg jfif gif webp avif bmp svg ico apng'),
  ...of('video', 'mp4 m4v webm ogv mov'),
  ...of('audio', 'mp3 wav ogg oga opus m4a aac weba flac')
})

function of(medium: Medium, endings: string): Record<string, Medium> {
  return Object.fromEntries(endings.split(' ').map(ending => [ending, medium]))
}

/** Where the address stands: `url` in 11.9 and of uploads, the name of the type in 12. */
const ADDRESSES = ['url', 'image', 'video', 'audio', 'file']

/** What a payload of a file says of it. */
export function describe(payload: Fields) {
  const address = ADDRESSES.map(name => payload[name]).find(value => typeof value === 'string')
  // Where there is only a storage's name, the name is all there is.
  const name = label(payload, 'title', 'originalName', 'name') ?? harmless(lastPart(address as string | undefined))
  return { address, name, medium: mediumOf(payload, address as string | undefined) }
}

function mediumOf(payload: Fields, address: string | undefined): Medium {
  const type = payload.type
  if (type === 'image' || type === 'video' || type === 'audio') return type
  const mime = text(payload, ['mime'])?.toLowerCase()
  const kind = /^(image|video|audio)\//.exec(mime ?? '')?.[1] ?? (/^data:image\//i.test(address ?? '') ? 'image' : '')
  if (kind) return kind as Medium
  // A file that says what it is, and is none of those.
  if (mime && mime !== 'application/octet-stream') return 'file'
  const named = address ? lastPart(address) : (text(payload, ['name']) ?? '')
  return ENDINGS[/\.(\w+)$/.exec(named)?.[1]?.toLowerCase() ?? ''] ?? 'file'
}

/** `file`, `image`, `video`, `audio`. */
export function FileBody({ payload, context }: { payload: Fields; context: MessageContext }) {
  const [broken, setBroken] = useState(false)
  const { t, host, locale } = context
  const { address, name, medium } = describe(payload)
  const source = medium === 'file' || broken ? undefined : safeMedia(address, host)
  const title = label(payload, 'title')
  const alt = name || t(`file.${medium}`)
  const caption = title && (
    <p class="bpw-file-title" dir="auto">
      {title}
    </p>
  )
  // What cannot be played or seen can perhaps be fetched.
  const onError = () => setBroken(true)

  if (source && medium === 'image') {
    const image = <img class="bpw-file-image" src={source} alt={alt} loading="lazy" onError={onError} />
    const link = safeLink(address, host)
    return (
      <div class="bpw-file bpw-file-media" dir={dirOf(locale)}>
        {link ? (
          <a class="bpw-file-open" href={link} target="_blank" rel="noopener noreferrer nofollow ugc">
            {image}
          </a>
        ) : (
          image
        )}
        {caption}
      </div>
    )
  }
  if (source && (medium === 'video' || medium === 'audio')) {
    const settings = { src: source, controls: true, preload: 'metadata' as const, 'aria-label': alt, onError }
    return (
      <div class="bpw-file bpw-file-media" dir={dirOf(locale)}>
        {medium === 'video' ? (
          <video class="bpw-file-video" playsInline {...settings} />
        ) : (
          <audio class="bpw-file-audio" {...settings} />
        )}
        {caption}
      </div>
    )
  }
  return <Attachment name={alt} address={address} size={number(payload, 'size')} context={context} />
}

function Attachment(props: { name: string; address: unknown; size: number | undefined; context: MessageContext }) {
  const { t, locale, host } = props.context
  const href = safeLink(props.address, host)
  const size = props.size !== undefined && props.size >= 0 ? formatSize(props.size, locale) : ''
  const content = (
    <>
      <FileText size={20} aria-hidden="true" class="bpw-file-icon" />
      <span class="bpw-file-text">
        <bdi class="bpw-file-name">{props.name}</bdi>
        {(size || !href) && <span class="bpw-file-note">{href ? size : t('file.unavailable')}</span>}
      </span>
    </>
  )
  return href ? (
    <a
      class="bpw-file bpw-file-link"
      dir={dirOf(locale)}
      href={href}
      target="_blank"
      rel="noopener noreferrer nofollow ugc"
    >
      {content}
    </a>
  ) : (
    <div class="bpw-file bpw-file-link" dir={dirOf(locale)}>
      {content}
    </div>
  )
}

/** Bytes as people read them: `1.2 MB`, where one is 1024 KB, as in the server's settings. */
export function formatSize(bytes: number, locale: string): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const
  const step = Math.min(3, Math.floor(Math.log2(Math.max(bytes, 1)) / 10))
  const style = {
    style: 'unit',
    unit: units[step],
    // The short form of English knows no plural.
    unitDisplay: step ? 'short' : 'long',
    maximumFractionDigits: step > 1 ? 1 : 0
  } as const
  return new Intl.NumberFormat(locale, style).format(bytes / 1024 ** step)
}
