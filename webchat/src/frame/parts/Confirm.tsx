/** Asks before a conversation is reset. */

import { useEffect, useRef } from 'preact/hooks'
import type { Chat } from '../chat'

export function Confirm({ chat }: { chat: Chat }) {
  const { store } = chat
  const t = store.t.value
  const dialog = useRef<HTMLDialogElement>(null)

  // A modal dialog of the browser keeps the focus, and gives it back when it closes.
  useEffect(() => {
    const element = dialog.current
    element?.showModal()
    return () => element?.close()
  }, [])

  const close = (): void => void (store.confirming.value = false)
  return (
    <dialog
      ref={dialog}
      class="bpw-confirm"
      aria-labelledby="bpw-confirm-title"
      aria-describedby="bpw-confirm-text"
      onClose={close}
      onKeyDown={event => event.stopPropagation()}
    >
      <h3 class="bpw-confirm-title" id="bpw-confirm-title">
        {t('reset.title')}
      </h3>
      <p class="bpw-confirm-text" id="bpw-confirm-text">
        {t('reset.text')}
      </p>
      <div class="bpw-confirm-actions">
        <button type="button" class="bpw-confirm-button" onClick={close}>
          {t('reset.no')}
        </button>
        <button
          type="button"
          class="bpw-confirm-button bpw-confirm-yes"
          onClick={() => {
            close()
            chat.reset()
          }}
        >
          {t('reset.yes')}
        </button>
      </div>
    </dialog>
  )
}
