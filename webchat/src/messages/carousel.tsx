/** Cards side by side. The browser scrolls and snaps; buttons, dots and arrow keys only say where to. */

import { useEffect, useRef, useState } from 'preact/hooks'
import { ChevronLeft, ChevronRight } from 'lucide-preact'
import { dirOf } from '../i18n'
import { Card, LoneCard } from './card'
import type { Drawn } from './context'
import { fields, isFields, list, number, text } from './read'
import { PlainText } from './text'

/** Most cards of a carousel. */
const MOST_CARDS = 50

/** `carousel`: `items` in 12, `elements` in 11.9. */
export function Carousel({ payload, context }: Drawn) {
  const cards = list(payload, 'elements', 'items').slice(0, MOST_CARDS).filter(isFields)
  const words = text(payload, ['text'])
  return (
    <>
      {words && <PlainText text={words} host={context.host} />}
      {cards.length === 1 ? <LoneCard payload={cards[0] ?? {}} context={context} /> : null}
      {cards.length > 1 ? <Track payload={payload} cards={cards} context={context} /> : null}
      {cards.length === 0 && !words ? <p class="bpw-unsupported">{context.t('message.unsupported')}</p> : null}
    </>
  )
}

/** What bots set by the names that the original's slider has; what is not named here has no effect. */
function settingsOf(payload: Drawn['payload']) {
  const set = fields(payload.settings)
  const count = (name: string, otherwise: number) =>
    Math.min(10, Math.max(1, Math.floor(number(set, name) ?? otherwise)))
  return {
    arrows: set.arrows !== false,
    dots: set.dots === true,
    infinite: set.infinite === true,
    shown: number(set, 'slidesToShow') === undefined ? undefined : count('slidesToShow', 1),
    step: count('slidesToScroll', 1)
  }
}

function Track({ payload, cards, context }: Pick<Drawn, 'payload' | 'context'> & { cards: Drawn['payload'][] }) {
  const { t } = context
  const settings = settingsOf(payload)
  const track = useRef<HTMLDivElement>(null)
  const [at, setAt] = useState({ first: 0, start: true, end: false })

  /** Where the track stands; in right-to-left writing positions are negative. */
  const look = () => {
    const element = track.current
    if (!element) return
    const position = Math.abs(element.scrollLeft)
    const width = (element.firstElementChild as HTMLElement | null)?.offsetWidth || 1
    const most = element.scrollWidth - element.clientWidth
    const now = { first: Math.round(position / width), start: position < 2, end: position > most - 2 }
    // Of a scroll many are told: few of them change anything that is drawn.
    setAt(at => (at.first === now.first && at.start === now.start && at.end === now.end ? at : now))
  }

  useEffect(() => {
    look()
    if (!track.current || typeof ResizeObserver === 'undefined') return
    const observer = new ResizeObserver(look)
    observer.observe(track.current)
    return () => observer.disconnect()
  }, [cards.length])

  const show = (index: number) => {
    const element = track.current
    const card = element?.children[index] as HTMLElement | undefined
    const first = element?.firstElementChild as HTMLElement | undefined
    if (element && card && first) element.scrollLeft = card.offsetLeft - first.offsetLeft
  }

  const move = (by: number) => {
    const to = at.first + by * settings.step
    if (settings.infinite && by > 0 && at.end) show(0)
    else if (settings.infinite && by < 0 && at.start) show(cards.length - 1)
    else show(Math.min(cards.length - 1, Math.max(0, to)))
  }

  const onKeyDown = (event: KeyboardEvent) => {
    // Arrow keys within a card's button are the button's.
    if (event.target !== track.current || (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight')) return
    event.preventDefault()
    const backwards = getComputedStyle(track.current!).direction === 'rtl'
    move((event.key === 'ArrowRight') === backwards ? -1 : 1)
  }

  const all = at.start && at.end
  const width = settings.shown ? { '--bpw-cards-shown': settings.shown } : undefined
  return (
    <div
      class="bpw-carousel"
      // That of the interface, whatever the cards' texts: a bubble may be written the other way.
      dir={dirOf(context.locale)}
      role="group"
      aria-roledescription="carousel"
      aria-label={t('carousel.label')}
    >
      <div
        class="bpw-carousel-track"
        ref={track}
        tabIndex={0}
        role="group"
        aria-label={t('carousel.cards', { count: cards.length })}
        onScroll={look}
        onKeyDown={onKeyDown}
        style={width}
      >
        {cards.map((card, index) => (
          <div
            class="bpw-card-container"
            role="group"
            key={index}
            aria-label={t('carousel.card', { number: index + 1, count: cards.length })}
          >
            <Card payload={card} context={context} />
          </div>
        ))}
      </div>
      {settings.arrows && !all && (
        <>
          <button
            type="button"
            class="bpw-carousel-button bpw-carousel-previous"
            aria-label={t('carousel.previous')}
            disabled={at.start && !settings.infinite}
            onClick={() => move(-1)}
          >
            <ChevronLeft size={18} aria-hidden="true" />
          </button>
          <button
            type="button"
            class="bpw-carousel-button bpw-carousel-next"
            aria-label={t('carousel.next')}
            disabled={at.end && !settings.infinite}
            onClick={() => move(1)}
          >
            <ChevronRight size={18} aria-hidden="true" />
          </button>
        </>
      )}
      {settings.dots && !all && (
        <div class="bpw-carousel-dots">
          {cards.map((_, index) => (
            <button
              type="button"
              key={index}
              class="bpw-carousel-dot"
              aria-label={t('carousel.card', { number: index + 1, count: cards.length })}
              aria-current={index === at.first ? 'true' : undefined}
              onClick={() => show(index)}
            />
          ))}
        </div>
      )}
    </div>
  )
}
