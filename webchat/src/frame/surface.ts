/** What the configuration does to the document and to the iframe around it: classes, width, theme, language, styles. */

import { effect, signal } from '@preact/signals'
import { dirOf, loadTranslator } from '../i18n'
import { length } from './config'
import type { Page } from './page'
import type { Store } from './store'

export function dress(store: Store, page: Page, view: Window): void {
  const { config, open, teaser, options } = store
  const root = view.document.documentElement
  const dark = view.matchMedia('(prefers-color-scheme: dark)')
  const systemIsDark = signal(dark.matches)
  dark.addEventListener('change', () => (systemIsDark.value = dark.matches))

  effect(() => {
    const { theme } = config.value
    const isDark = theme === 'dark' || (theme !== 'light' && systemIsDark.value)
    root.dataset.theme = isDark ? 'dark' : 'light'
  })

  effect(() => {
    root.classList.toggle('bpw-no-animations', config.value.disableAnimations === true)
    root.classList.toggle('bpw-fullscreen', options.fullscreen)
    root.dataset.page = options.pageDirection
  })

  // The page styles the iframe by these: how large it is follows from what is shown.
  let lastClass = ''
  effect(() => {
    const view = open.value ? 'bp-widget-side' : 'bp-widget-widget'
    const names = ['bp-widget-web', view]
    if (!open.value && teaser.value) names.push('bp-widget-teaser')
    if (!open.value && config.value.hideWidget) names.push('bp-widget-hidden')
    if (config.value.className) names.push(config.value.className)
    const value = names.join(' ')
    if (value !== lastClass) page.post({ type: 'setClass', value })
    lastClass = value
  })

  effect(() => {
    const { containerWidth, layoutWidth } = config.value
    const width = containerWidth ?? layoutWidth
    if (width !== undefined) page.post({ type: 'setWidth', value: width })
    if (layoutWidth === undefined) root.style.removeProperty('--bpw-layout-width')
    else root.style.setProperty('--bpw-layout-width', length(layoutWidth))
  })

  effect(() => {
    const locale = store.locale.value
    root.lang = locale
    root.dir = dirOf(locale)
    void loadTranslator(locale).then(t => {
      if (store.locale.value === locale) store.t.value = t
    })
  })

  effect(() => {
    view.document.title = store.botName.value || store.t.value('chat')
  })

  for (const key of ['stylesheet', 'extraStylesheet'] as const) {
    let link: HTMLLinkElement | undefined
    let last: string | undefined
    effect(() => {
      const address = sheet(config.value[key], view)
      if (address === last) return
      last = address
      link?.remove()
      if (!address) return
      link = view.document.createElement('link')
      link.rel = 'stylesheet'
      link.href = address
      view.document.head.append(link)
    })
  }
}

/**
 * The address of a style sheet. In a page, whoever wrote it decides; on its own, the chat takes its configuration from a
 * link that anybody may have made, so only this server's sheets are loaded.
 */
function sheet(value: string | undefined, view: Window): string | undefined {
  if (!value) return undefined
  try {
    const { protocol, origin, href } = new URL(value, view.location.origin)
    if (protocol !== 'http:' && protocol !== 'https:') return undefined
    return view.parent !== view || origin === view.location.origin ? href : undefined
  } catch {
    return undefined
  }
}
