/** The picture of the bot; the first letter of its name where there is none. */

import { useState } from 'preact/hooks'
import type { Message } from '../../types'
import type { Store } from '../store'

export function Avatar({ store, message }: { store: Store; message?: Message }) {
  const picture = message?.avatar_url || store.avatar.value
  const [broken, setBroken] = useState<string>()
  const name = store.botName.value || message?.full_name || ''
  const shown = picture && picture !== broken && /^(https?:|\/|data:image\/)/i.test(picture)
  return (
    <span class="bpw-bot-avatar" aria-hidden="true">
      {shown ? (
        <img src={picture} alt="" onError={() => setBroken(picture)} />
      ) : (
        ([...name.trim()][0] ?? '').toLocaleUpperCase()
      )}
    </span>
  )
}
