/** Where the visitor writes. */

import { useLayoutEffect, useRef } from 'preact/hooks'
import { Paperclip, SendHorizontal } from 'lucide-preact'
import type { Chat } from '../chat'

/** How many before the end the counter appears. */
const NEAR = 60

export function Composer({ chat }: { chat: Chat }) {
  const { store } = chat
  const t = store.t.value
  const { composerPlaceholder, enableArrowNavigation } = store.config.value
  const field = useRef<HTMLTextAreaElement>(null)
  const picker = useRef<HTMLInputElement>(null)
  /** How far back in what was said before; 0 is what is being written. */
  const back = useRef(0)
  const draft = store.draft.value
  const left = store.limits.message - draft.length
  const name = store.botName.value
  const placeholder =
    composerPlaceholder || (name ? t('composer.placeholder', { name }) : t('composer.placeholder.plain'))

  // As high as what is in it; the style sheet says how high at most.
  useLayoutEffect(() => {
    const area = field.current
    if (!area) return
    area.style.height = 'auto'
    area.style.height = `${area.scrollHeight}px`
  }, [draft])

  const write = (text: string): void => void (store.draft.value = text)
  const send = (): void => {
    const text = draft.trim()
    if (text === '' || left < 0) return
    chat.say(text)
    back.current = 0
    field.current?.focus()
  }
  /** Goes to what was said before (1) or after (-1); false where there is nothing. */
  const leaf = (direction: 1 | -1): boolean => {
    const said = store.said.value
    const next = back.current + direction
    if (next < 0 || next > said.length) return false
    back.current = next
    write(next === 0 ? '' : (said[said.length - next] ?? ''))
    return true
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    // Enter that chooses a word of an input method does not send; 229 is how older browsers say that.
    if (event.isComposing || event.keyCode === 229) return
    if (event.key === 'Enter' && !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey) {
      event.preventDefault()
      send()
    } else if (enableArrowNavigation && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
      // Not where the visitor has written something, or walks about in several lines.
      const untouched = draft === '' || (back.current > 0 && draft === store.said.value.at(-back.current))
      if (untouched && leaf(event.key === 'ArrowUp' ? 1 : -1)) event.preventDefault()
    }
  }
  const onPaste = (event: ClipboardEvent): void => {
    const files = [...(event.clipboardData?.files ?? [])]
    if (files.length === 0) return
    event.preventDefault()
    files.forEach(file => chat.upload(file))
  }
  const onPick = (): void => {
    for (const file of picker.current?.files ?? []) chat.upload(file)
    // The same file can be chosen again.
    if (picker.current) picker.current.value = ''
  }

  return (
    <div class="bpw-composer">
      <div class="bpw-composer-inner">
        <button
          type="button"
          class="bpw-upload-button"
          aria-label={t('composer.upload')}
          title={t('composer.upload')}
          onClick={() => picker.current?.click()}
        >
          <Paperclip size={20} aria-hidden="true" />
        </button>
        <input ref={picker} type="file" hidden multiple aria-label={t('composer.upload')} onChange={onPick} />
        <textarea
          ref={field}
          class="bpw-composer-textarea"
          rows={1}
          dir="auto"
          value={draft}
          placeholder={placeholder}
          aria-label={placeholder}
          aria-invalid={left < 0}
          enterkeyhint="send"
          onInput={event => {
            back.current = 0
            write(event.currentTarget.value)
          }}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
        />
        <button
          type="button"
          class="bpw-send-button"
          aria-label={t('composer.send')}
          title={t('composer.send')}
          disabled={draft.trim() === '' || left < 0}
          onClick={send}
        >
          <SendHorizontal size={20} aria-hidden="true" class="bpw-mirrored" />
        </button>
      </div>
      {left <= NEAR && (
        <p class={`bpw-composer-counter${left < 0 ? ' bpw-composer-over' : ''}`} role="status">
          {left < 0 ? t('composer.over', { count: -left }) : t('composer.left', { count: left })}
        </p>
      )}
    </div>
  )
}
