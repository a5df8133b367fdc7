/** Times, days and the direction of writing, as a locale has them. */

/** A locale that `Intl` takes; the browser's own where it is none. */
function known(locale: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(locale.replaceAll('_', '-'))[0]
  } catch {
    return undefined
  }
}

/** The time of an ISO date (`14:05`, `2:05 PM`); empty where it is no date. */
export function formatTime(iso: string, locale: string): string {
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return ''
  return new Intl.DateTimeFormat(known(locale), { hour: 'numeric', minute: '2-digit' }).format(date)
}

/** The day of an ISO date: `Today`, `Yesterday`, `Monday, 3 March`, with the year where it is another one. */
export function formatDate(iso: string, locale: string, now = new Date()): string {
  const date = new Date(iso)
  if (Number.isNaN(date.getTime())) return ''
  const language = known(locale)
  const days = dayOf(date) - dayOf(now)
  if (days === 0 || days === -1) {
    const said = new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(days, 'day')
    return said.charAt(0).toLocaleUpperCase(language) + said.slice(1)
  }
  return new Intl.DateTimeFormat(language, {
    weekday: 'long',
    day: 'numeric',
    month: 'long',
    ...(date.getFullYear() === now.getFullYear() ? {} : { year: 'numeric' })
  }).format(date)
}

/** Days since the epoch by the calendar here, whatever the clock was changed by in between. */
function dayOf(date: Date): number {
  return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000
}

/** Scripts that are written from right to left. */
const FROM_THE_RIGHT = new Set('Adlm Arab Hebr Mand Nkoo Rohg Samr Syrc Thaa'.split(' '))

/** The direction in which a locale is written, by its script: the one it names, or the usual one of its language. */
export function dirOf(locale: string): 'ltr' | 'rtl' {
  const language = known(locale)
  const script = language && new Intl.Locale(language).maximize().script
  return script && FROM_THE_RIGHT.has(script) ? 'rtl' : 'ltr'
}
