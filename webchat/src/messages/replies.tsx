/** Quick replies: buttons that answer. `quick_replies` of 11.9, `choices` of 12. */

import { useRef, useState } from 'preact/hooks'
import { Paperclip } from 'lucide-preact'
import type { Drawn, MessageContext } from './context'
import { type Fields, isFields, label, list, MOST_ITEMS } from './read'

/** A button: its label, and what a click sends. */
interface Reply {
  label: string
  payload: unknown
  stays: boolean
}

/** The rows of buttons of a payload; those of a flat list are one row. */
export function rowsOf(payload: Fields): Reply[][] {
  const given = list(payload, 'quick_replies', 'choices')
  const stays = payload.allowMultipleClick === true
  const rows = given.some(Array.isArray)
    ? given.map(row => (Array.isArray(row) ? row.slice(0, MOST_ITEMS) : [row]))
    : [given as unknown[]]
  return rows.map(row => row.map(reply => read(reply, stays)).filter(reply => reply !== null)).filter(row => row.length)
}

function read(value: unknown, stays: boolean): Reply | null {
  if (typeof value === 'string') return read({ title: value }, stays)
  if (!isFields(value)) return null
  const found = label(value, 'label', 'title')
  if (found === undefined) return null
  const payload = value.payload ?? value.value
  return { label: found, payload, stays: stays || value.allowMultipleClick === true }
}

/** Whether a keyboard stays after a click: people may choose again. */
export function staysAfterClick(payload: Fields): boolean {
  return rowsOf(payload).some(row => row.some(reply => reply.stays))
}

/** The buttons, until one is clicked. */
export function QuickReplies({ payload, context }: Pick<Drawn, 'payload' | 'context'>) {
  const [answered, setAnswered] = useState(false)
  const rows = rowsOf(payload)
  if (answered || rows.length === 0) return null
  return (
    <div class="bpw-keyboard-quick_reply" role="group" aria-label={context.t('replies.label')}>
      {rows.map((row, at) => (
        <div class="bpw-keyboard-row" key={at}>
          {row.map((reply, index) => (
            <ReplyButton key={index} reply={reply} context={context} done={() => reply.stays || setAnswered(true)} />
          ))}
        </div>
      ))}
    </div>
  )
}

const UPLOADS: Readonly<Record<string, string>> = {
  'BOTPRESS.IMAGE_UPLOAD': 'image/*',
  'BOTPRESS.FILE_UPLOAD': ''
}

function ReplyButton({ reply, context, done }: { reply: Reply; context: MessageContext; done(): void }) {
  const input = useRef<HTMLInputElement>(null)
  const named = typeof reply.payload === 'string' && Object.hasOwn(UPLOADS, reply.payload) ? reply.payload : undefined
  if (named === undefined) {
    const click = () => {
      context.send({ type: 'quick_reply', text: reply.label, payload: reply.payload })
      done()
    }
    return (
      <button type="button" class="bpw-button" dir="auto" onClick={click}>
        {reply.label}
      </button>
    )
  }
  const chosen = () => {
    const file = input.current?.files?.[0]
    if (!file) return
    context.upload(file)
    done()
  }
  return (
    <>
      <button type="button" class="bpw-button" onClick={() => input.current?.click()}>
        <Paperclip size={16} aria-hidden="true" />
        <bdi>{reply.label}</bdi>
      </button>
      <input
        ref={input}
        type="file"
        hidden
        accept={UPLOADS[named] || undefined}
        aria-label={reply.label}
        onChange={chosen}
      />
    </>
  )
}
