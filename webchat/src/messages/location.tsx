/** `location`: a place, with a link to a map. Nothing is asked of the map's server until somebody follows it. */

import { MapPin } from 'lucide-preact'
import { dirOf } from '../i18n'
import type { Drawn } from './context'
import { type Fields, label, number } from './read'

/** Latitude and longitude, if they are somewhere on Earth. */
function positionOf(payload: Fields): { latitude: number; longitude: number } | undefined {
  const latitude = number(payload, 'latitude')
  const longitude = number(payload, 'longitude')
  if (latitude === undefined || longitude === undefined) return undefined
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180 ? { latitude, longitude } : undefined
}

/** The place in words: its name, its address, or where it lies. */
export function placeOf(payload: Fields): string | undefined {
  const position = positionOf(payload)
  return label(payload, 'title', 'address') ?? (position && `${position.latitude}, ${position.longitude}`)
}

/** A place. */
export function Location({ payload, context }: Drawn) {
  const position = positionOf(payload)
  const title = placeOf(payload)
  const dir = dirOf(context.locale)
  if (!title) return <p class="bpw-unsupported">{context.t('message.unsupported')}</p>
  const address = label(payload, 'title') && label(payload, 'address')
  const content = (
    <>
      <MapPin size={20} aria-hidden="true" class="bpw-file-icon" />
      <span class="bpw-file-text">
        <bdi class="bpw-file-name">{title}</bdi>
        {address && (
          <span class="bpw-file-note" dir="auto">
            {address}
          </span>
        )}
        {position && <span class="bpw-location-open">{context.t('location.open')}</span>}
      </span>
    </>
  )
  if (!position)
    return (
      <div class="bpw-file bpw-file-link" dir={dir}>
        {content}
      </div>
    )
  const { latitude, longitude } = position
  const place = `mlat=${latitude}&mlon=${longitude}#map=16/${latitude}/${longitude}`
  return (
    <a
      class="bpw-file bpw-file-link"
      dir={dir}
      href={`https://www.openstreetmap.org/?${place}`}
      target="_blank"
      rel="noopener noreferrer"
    >
      {content}
    </a>
  )
}
