/** A list to choose from: `custom` of `extensions/Dropdown`, and `dropdown` of 12. Made of the browser's own controls. */

import { useId, useRef, useState } from 'preact/hooks'
import { dirOf } from '../i18n'
import type { Drawn, MessageContext } from './context'
import { type Fields, isFields, label, list, number, text } from './read'
import { PlainText } from './text'

/** Longest answer of the visitor's own. */
const LONGEST_ANSWER = 300

interface Option {
  label: string
  value: unknown
}

/** What can be chosen; plain texts count as their own value. */
function optionsOf(payload: Fields): Option[] {
  return list(payload, 'options', 'choices').flatMap(option => {
    const given = isFields(option) ? option : { label: option }
    const found = label(given, 'label', 'title', 'value')
    return found === undefined ? [] : [{ label: found, value: given.value ?? given.payload ?? found }]
  })
}

/** Whether the list is to be shown below the messages. */
export function inKeyboard(payload: Fields): boolean {
  return payload.displayInKeyboard === true
}

/** The question, and the list where it belongs to the message. */
export function DropdownBody({ payload, context }: Drawn) {
  return (
    <>
      <PlainText text={text(payload, ['message', 'text']) ?? context.t('message.choose')} host={context.host} />
      {!inKeyboard(payload) && <Dropdown payload={payload} context={context} />}
    </>
  )
}

/** The list below the messages. */
export function DropdownKeyboard({ payload, context }: Pick<Drawn, 'payload' | 'context'>) {
  return inKeyboard(payload) ? <Dropdown payload={payload} context={context} /> : null
}

function Dropdown({ payload, context }: Pick<Drawn, 'payload' | 'context'>) {
  const [answered, setAnswered] = useState(false)
  const options = optionsOf(payload)
  const creation = payload.allowCreation === true
  if ((answered && inKeyboard(payload)) || (options.length === 0 && !creation)) return null
  const answer = (chosen: Option[]) => {
    if (chosen.length === 0) return
    // Several go as one text each, joined alike: bots compare texts.
    const values = chosen.map(option => option.value)
    context.send({
      type: 'quick_reply',
      text: chosen.map(option => option.label).join(', '),
      payload: values.length === 1 ? values[0] : values.join(', ')
    })
    setAnswered(true)
  }
  const width = number(payload, 'width')
  const style = width !== undefined && width >= 50 && width <= 2000 ? { maxInlineSize: `${width}px` } : undefined
  const name = text(payload, ['message', 'text']) ?? context.t('message.choose')
  const props = { options, creation, payload, context, answer, name }
  return (
    <div class="bpw-dropdown" dir={dirOf(context.locale)} style={style}>
      {payload.allowMultiple === true ? <Several {...props} /> : creation ? <Written {...props} /> : <One {...props} />}
    </div>
  )
}

interface Choosing {
  options: Option[]
  creation: boolean
  payload: Fields
  context: MessageContext
  answer(chosen: Option[]): void
  /** The question, for those who do not see it. */
  name: string
}

const placeholder = (payload: Fields, context: MessageContext) =>
  label(payload, 'placeholderText', 'placeholder') ?? context.t('dropdown.placeholder')

function SendButton({ payload, context, disabled }: Pick<Choosing, 'payload' | 'context'> & { disabled: boolean }) {
  return (
    <button type="submit" class="bpw-button bpw-dropdown-send" dir="auto" disabled={disabled}>
      {label(payload, 'buttonText') ?? context.t('dropdown.send')}
    </button>
  )
}

/** One of a list. Without a text for a button, choosing answers at once. */
function One({ options, payload, context, answer, name }: Choosing) {
  const [chosen, setChosen] = useState('')
  // Where arrow keys change a closed list, each step is a change: only Enter or the button says which one is meant.
  const stepping = useRef(false)
  const button = label(payload, 'buttonText') !== undefined
  const send = (index: string) => {
    const option = index === '' ? undefined : options[Number(index)]
    if (option) answer([option])
  }
  const onKeyDown = (event: KeyboardEvent) => {
    const enter = event.key === 'Enter'
    if (enter && stepping.current && chosen !== '') {
      event.preventDefault()
      send(chosen)
    }
    stepping.current = !enter && event.key !== 'Tab'
  }
  const onChange = (event: Event) => {
    const index = (event.currentTarget as HTMLSelectElement).value
    setChosen(index)
    if (!button && !stepping.current) send(index)
  }
  return (
    <form
      class="bpw-dropdown-form"
      onSubmit={event => {
        event.preventDefault()
        send(chosen)
      }}
    >
      <select
        class="bpw-dropdown-select"
        aria-label={name}
        value={chosen}
        onChange={onChange}
        onKeyDown={onKeyDown}
        onPointerDown={() => (stepping.current = false)}
      >
        <option value="" disabled hidden>
          {placeholder(payload, context)}
        </option>
        {options.map((option, index) => (
          <option key={index} value={String(index)} dir="auto">
            {option.label}
          </option>
        ))}
      </select>
      {(button || chosen !== '') && <SendButton payload={payload} context={context} disabled={chosen === ''} />}
    </form>
  )
}

/** One of a list, or what the visitor writes. */
function Written({ options, payload, context, answer, name }: Choosing) {
  const id = useId()
  const [written, setWritten] = useState('')
  const send = (event: Event) => {
    event.preventDefault()
    const said = written.trim()
    if (said) answer([options.find(option => option.label === said) ?? { label: said, value: said }])
  }
  return (
    <form class="bpw-dropdown-form" onSubmit={send}>
      <input
        class="bpw-dropdown-input"
        list={id}
        dir={written ? 'auto' : undefined}
        aria-label={name}
        autocomplete="off"
        maxLength={LONGEST_ANSWER}
        placeholder={placeholder(payload, context)}
        value={written}
        onInput={event => setWritten(event.currentTarget.value)}
      />
      <datalist id={id}>
        {options.map((option, index) => (
          <option key={index} value={option.label} />
        ))}
      </datalist>
      <SendButton payload={payload} context={context} disabled={written.trim() === ''} />
    </form>
  )
}

/** Several of a list, and perhaps one that the visitor writes. */
function Several({ options, creation, payload, context, answer, name }: Choosing) {
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set())
  const [written, setWritten] = useState('')
  const said = written.trim()
  const toggle = (index: number) => {
    const next = new Set(chosen)
    if (!next.delete(index)) next.add(index)
    setChosen(next)
  }
  const send = (event: Event) => {
    event.preventDefault()
    answer([...options.filter((_, index) => chosen.has(index)), ...(said ? [{ label: said, value: said }] : [])])
  }
  return (
    <form class="bpw-dropdown-form bpw-dropdown-several" onSubmit={send}>
      <fieldset class="bpw-dropdown-options">
        <legend class="bpw-visually-hidden">{name}</legend>
        {options.map((option, index) => (
          <label key={index} class="bpw-dropdown-option">
            <input type="checkbox" checked={chosen.has(index)} onChange={() => toggle(index)} />
            <span dir="auto">{option.label}</span>
          </label>
        ))}
      </fieldset>
      {creation && (
        <input
          class="bpw-dropdown-input"
          dir={written ? 'auto' : undefined}
          maxLength={LONGEST_ANSWER}
          aria-label={context.t('dropdown.another')}
          placeholder={context.t('dropdown.another')}
          value={written}
          onInput={event => setWritten(event.currentTarget.value)}
        />
      )}
      <SendButton payload={payload} context={context} disabled={chosen.size === 0 && said === ''} />
    </form>
  )
}
