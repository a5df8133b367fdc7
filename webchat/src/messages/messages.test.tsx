/**
 * What each type of payload looks like, and what a click on it sends.
 * @vitest-environment jsdom
 */

import { act, fireEvent } from '@testing-library/preact'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { english } from '../i18n'
import type { Message } from '../types'
import { isShown, keyboardMessage, loadMarkdown, previewOf } from '.'
import { formatSize } from './file'
import { botMessage, show, userMessage } from './testing'
import { LONGEST_MARKDOWN } from './text'

beforeAll(loadMarkdown)

const quickReplies = (more: object = {}) => ({
  type: 'custom',
  module: 'channel-web',
  component: 'QuickReplies',
  quick_replies: [
    { title: 'Yes', payload: 'YES' },
    { label: 'No', payload: { no: 1 } }
  ],
  wrapped: { type: 'text', markdown: true, text: 'Are you **sure**?' },
  ...more
})
const button = (root: HTMLElement, name: string) => {
  const found = [...root.querySelectorAll('button')].find(button => button.textContent === name)
  if (!found) throw new Error(`no button ${name} in ${root.innerHTML}`)
  return found
}

describe('text', () => {
  test('is shown as it was written, with its line breaks', () => {
    const { root } = show(botMessage({ type: 'text', text: 'a *b*\n  <b>c</b>' }))
    expect(root.querySelector('p.bpw-text[dir=auto]')!.textContent).toBe('a *b*\n  <b>c</b>')
    expect(show(botMessage({ type: 'text', text: 42 })).root.textContent).toBe('42')
  })

  test('has links where it has addresses', () => {
    const words = 'See https://example.org/a_(b)?c=d, (http://x.example). Or write to a.b+c@example.org!'
    const { root } = show(botMessage({ type: 'text', text: words }))
    expect(root.textContent).toBe(words)
    const links = [...root.querySelectorAll('a')]
    expect(links.map(link => link.getAttribute('href'))).toEqual([
      'https://example.org/a_(b)?c=d',
      'http://x.example/',
      'mailto:a.b+c@example.org'
    ])
    for (const link of links) expect([link.target, link.rel]).toEqual(['_blank', 'noopener noreferrer nofollow ugc'])
  })

  test('is Markdown if the bot says so', () => {
    const text =
      '**bold** _it_ [x](https://example.org)\nline\n\n1. one\n\n| a | b |\n|--|--|\n| 1 | 2 |\n\nhttps://b.example'
    const { root } = show(botMessage({ type: 'text', markdown: true, text }))
    expect(root.querySelector('strong')!.textContent).toBe('bold')
    expect(root.querySelector('br')).not.toBeNull()
    expect(root.querySelectorAll('ol > li, td').length).toBe(3)
    const links = [...root.querySelectorAll('a')]
    expect(links.map(link => link.href)).toEqual(['https://example.org/', 'https://b.example/'])
    for (const link of links) expect([link.target, link.rel]).toEqual(['_blank', 'noopener noreferrer nofollow ugc'])
    expect(root.querySelector('p')!.dir).toBe('auto')
  })

  test('a visitor sees what they typed: theirs is never Markdown', () => {
    const { root } = show(userMessage({ type: 'text', markdown: true, text: '**a**' }))
    expect(root.textContent).toBe('**a**')
  })

  test('too long for Markdown, it is plain', () => {
    const { root } = show(
      botMessage({ type: 'text', markdown: true, text: `**a** ${'b '.repeat(LONGEST_MARKDOWN / 2)}` })
    )
    expect(root.querySelector('strong')).toBeNull()
    expect(root.textContent).toContain('**a**')
  })

  test('of which nothing may be kept is shown as it was written, not as an empty bubble', () => {
    const text = '<script>alert(1)</script>'
    expect(show(botMessage({ type: 'text', markdown: true, text })).root.textContent).toBe(text)
  })

  test('quoted deeper than the renderer can go, it is plain', () => {
    const text = '>'.repeat(LONGEST_MARKDOWN - 1)
    expect(show(botMessage({ type: 'text', markdown: true, text })).root.textContent).toBe(text)
  })

  test('lists and quotations have one direction, so that their marks stay beside the words', () => {
    const { root } = show(botMessage({ type: 'text', markdown: true, text: 'a\n\n- واحد\n  - اثنان\n\n> ثلاثة' }))
    const directed = [...root.querySelectorAll('.bpw-markdown [dir=auto]')].map(element => element.localName)
    expect(directed).toEqual(['p', 'ul', 'blockquote'])
  })

  test('pictures of Markdown start at the host', () => {
    const { root } = show(botMessage({ type: 'text', markdown: true, text: '![A cat](media/cat.png)' }))
    const image = root.querySelector('img')!
    expect([image.src, image.alt]).toEqual(['https://bot.example/chat/media/cat.png', 'A cat'])
  })
})

describe('file', () => {
  test.each([
    [{ type: 'file', url: 'https://x.example/a%20b.PNG?c' }, 'img', 'a b.PNG'],
    [{ type: 'file', url: 'https://x.example/1', mime: 'image/webp', name: 'n' }, 'img', 'n'],
    [{ type: 'image', image: '/a', title: 'A cat' }, 'img', 'A cat'],
    [{ type: 'file', url: 'https://x.example/a.mp4' }, 'video[controls]', 'a.mp4'],
    [{ type: 'video', video: 'https://x.example/a', title: 'Film' }, 'video[controls]', 'Film'],
    [{ type: 'file', url: 'https://x.example/a.ogg' }, 'audio[controls]', 'a.ogg'],
    [{ type: 'audio', audio: 'https://x.example/a' }, 'audio[controls]', 'a']
  ])('%j is shown as %s', (payload, selector, name) => {
    const element = show(botMessage(payload)).root.querySelector(selector)!
    expect(element.getAttribute('alt') ?? element.getAttribute('aria-label')).toBe(name)
  })

  test('others are links with name and size', () => {
    const payload = {
      type: 'file',
      url: 'https://x.example/1',
      name: 'letter.pdf',
      mime: 'application/pdf',
      size: 1_234_567
    }
    const link = show(userMessage(payload)).root.querySelector('a')!
    expect(link.href).toBe('https://x.example/1')
    expect(link.textContent).toBe('letter.pdf1.2 MB')
    const titled = show(botMessage({ type: 'file', file: 'https://x.example/a.zip', title: 'The archive' })).root
    expect(titled.querySelector('a')!.textContent).toBe('The archive')
  })

  test('a picture that does not load becomes a link', () => {
    const { root } = show(botMessage({ type: 'image', image: 'https://x.example/a.png' }))
    fireEvent.error(root.querySelector('img')!)
    expect(root.querySelector('img')).toBeNull()
    expect(root.querySelector('a')!.textContent).toBe('a.png')
  })

  test('a name cannot pretend to be of another type', () => {
    const { root } = show(botMessage({ type: 'file', url: 'https://x.example/1', name: 'photo\u202egpj.exe' }))
    expect(root.querySelector('bdi')!.textContent).toBe('photogpj.exe')
  })

  test('a file without an address is not available', () => {
    expect(show(botMessage({ type: 'file', name: 'a.pdf' })).root.textContent).toBe('a.pdfnot available')
  })

  test('sizes are said as the locale says them', () => {
    expect([0, 999, 1500, 5 << 20, 2 ** 41].map(size => formatSize(size, 'en'))).toEqual([
      '0 bytes',
      '999 bytes',
      '1 kB',
      '5 MB',
      '2,048 GB'
    ])
    expect(formatSize(1.5 * 2 ** 20, 'de')).toBe('1,5 MB')
  })
})

describe('carousel', () => {
  const elements = [
    {
      title: 'One',
      subtitle: 'first',
      picture: 'https://x.example/1.png',
      buttons: [
        { type: 'say_something', title: 'Say', text: 'Said' },
        { type: 'open_url', title: 'Open', url: 'https://x.example/' },
        { type: 'open_url', title: 'Bad', url: 'javascript:alert(1)' },
        { type: 'postback', title: 'Post', payload: { a: 1 } }
      ]
    },
    { title: 'Two', picture: null, buttons: [] }
  ]

  test('has the cards of 11.9, with the class names that style sheets know', () => {
    const { root } = show(botMessage({ type: 'carousel', text: ' ', elements }))
    expect(root.querySelectorAll('.bpw-card-container').length).toBe(2)
    for (const name of ['picture img', 'header', 'title', 'subtitle', 'actions', 'action']) {
      expect(root.querySelector(`.bpw-card-container .bpw-card-${name}`), name).not.toBeNull()
    }
    expect(root.querySelector('img')!.alt).toBe('One')
    expect(root.querySelector('[role=group][aria-label="Card 2 of 2"]')!.textContent).toBe('Two')
  })

  test('its buttons say, open and post', () => {
    const { root, context } = show(botMessage({ type: 'carousel', text: 'Look', elements }))
    button(root, 'Say').click()
    expect(context.sendEvent).toHaveBeenCalledExactlyOnceWith({ type: 'say_something', text: 'Said' })
    button(root, 'Post').click()
    expect(context.send).toHaveBeenCalledExactlyOnceWith({ type: 'postback', text: 'Post', payload: { a: 1 } })
    const links = [...root.querySelectorAll('a')].map(link => [link.textContent, link.href, link.target, link.rel])
    expect(links).toEqual([['Open', 'https://x.example/', '_blank', 'noopener noreferrer nofollow ugc']])
    expect(root.textContent).toContain('Bad')
    expect(root.textContent).toContain('Look')
  })

  test('has the cards of 12, one of which is a card', () => {
    const card = {
      title: 'One',
      image: '/1.png',
      actions: [
        { action: 'Say something', title: 'Say', text: 'Said' },
        { action: 'Open URL', title: 'Open', url: 'tel:1' },
        { action: 'Postback', title: 'Post', payload: 'P' }
      ]
    }
    for (const payload of [
      { type: 'carousel', items: [card] },
      { type: 'card', ...card }
    ]) {
      const { root, context, unmount } = show(botMessage(payload))
      expect(root.querySelectorAll('.bpw-card-container').length).toBe(1)
      button(root, 'Say').click()
      button(root, 'Post').click()
      expect(context.sendEvent).toHaveBeenCalledWith({ type: 'say_something', text: 'Said' })
      expect(context.send).toHaveBeenCalledWith({ type: 'postback', text: 'Post', payload: 'P' })
      expect(root.querySelector('a')!.href).toBe('tel:1')
      unmount()
    }
  })

  test('scrolling that changes no button and no dot draws nothing', () => {
    const t = vi.fn(english)
    const { root } = show(botMessage({ type: 'carousel', elements: [{ title: 'A' }, { title: 'B' }] }), { t })
    const track = root.querySelector('.bpw-carousel-track')!
    const scrolled = () => act(() => void track.dispatchEvent(new Event('scroll')))
    scrolled()
    t.mockClear()
    for (let at = 0; at < 5; at++) scrolled()
    expect(t).not.toHaveBeenCalled()
  })

  test('cards written from left to right still scroll from right to left in an Arabic chat', () => {
    const { root } = show(botMessage({ type: 'carousel', items: elements }), { locale: 'ar' })
    expect(root.querySelector('.bpw-carousel')!.getAttribute('dir')).toBe('rtl')
  })

  test('takes settings by the names of the original', () => {
    const settings = { dots: true, arrows: false, slidesToShow: 2 }
    const { root } = show(botMessage({ type: 'carousel', items: elements, settings }))
    expect(root.querySelector<HTMLElement>('.bpw-carousel-track')!.style.getPropertyValue('--bpw-cards-shown')).toBe(
      '2'
    )
    expect(root.querySelector('.bpw-carousel-button')).toBeNull()
  })
})

describe('quick replies', () => {
  test('are buttons below the message that they belong to, which answer once', () => {
    const { root, context } = show(botMessage(quickReplies()))
    expect(root.querySelector('strong')!.textContent).toBe('sure')
    expect(
      [...root.querySelectorAll('.bpw-keyboard-quick_reply .bpw-button')].map(button => button.textContent)
    ).toEqual(['Yes', 'No'])
    fireEvent.click(button(root, 'No'))
    expect(context.send).toHaveBeenCalledExactlyOnceWith({ type: 'quick_reply', text: 'No', payload: { no: 1 } })
    expect(root.querySelector('.bpw-keyboard-quick_reply')).toBeNull()
  })

  test('lie in rows where they are nested', () => {
    const rows = [[{ title: 'A' }, { title: 'B' }], [{ title: 'C' }], { title: 'D' }]
    const { root } = show(botMessage(quickReplies({ quick_replies: rows })))
    expect([...root.querySelectorAll('.bpw-keyboard-row')].map(row => row.textContent)).toEqual(['AB', 'C', 'D'])
  })

  test('stay with allowMultipleClick', () => {
    const message = botMessage(quickReplies({ allowMultipleClick: true }))
    const { root, context } = show(message)
    fireEvent.click(button(root, 'Yes'))
    fireEvent.click(button(root, 'Yes'))
    expect(context.send).toHaveBeenCalledTimes(2)
    const click = userMessage({ type: 'quick_reply', text: 'Yes', payload: 'YES' })
    expect(keyboardMessage([message, click])).toBe(message)
    expect(keyboardMessage([botMessage(quickReplies()), click])).toBe(click)
    const said = userMessage({ type: 'text', text: 'something else' })
    expect(keyboardMessage([message, said])).toBe(said)
  })

  test('are shown with the last message only, and with none of the visitor', () => {
    expect(show(botMessage(quickReplies()), { last: false }).root.querySelector('button')).toBeNull()
    expect(show(userMessage(quickReplies())).root.querySelector('button')).toBeNull()
  })

  test('upload where their payload says so', () => {
    const replies = [{ title: 'Photo', payload: 'BOTPRESS.IMAGE_UPLOAD' }]
    const { root, context } = show(botMessage(quickReplies({ quick_replies: replies })))
    const input = root.querySelector<HTMLInputElement>('input[type=file]')!
    expect(input.accept).toBe('image/*')
    const file = new File(['x'], 'a.png', { type: 'image/png' })
    Object.defineProperty(input, 'files', { value: [file] })
    fireEvent.change(input)
    expect(context.upload).toHaveBeenCalledExactlyOnceWith(file)
    expect(context.send).not.toHaveBeenCalled()
    expect(root.querySelector('button')).toBeNull()
  })

  test('come from choices of 12 and from payloads that no hook turned', () => {
    const choices = [{ title: 'Red', value: 'r' }]
    const { root, context } = show(botMessage({ type: 'single-choice', text: 'Colour?', choices }))
    expect(root.querySelector('p')!.textContent).toBe('Colour?')
    button(root, 'Red').click()
    expect(context.send).toHaveBeenCalledWith({ type: 'quick_reply', text: 'Red', payload: 'r' })
    const plain = show(botMessage({ text: 'Colour?', quick_replies: [{ title: 'Blue', payload: 'b' }] }))
    expect(button(plain.root, 'Blue')).toBeDefined()
  })

  test('without a question have one', () => {
    const { root } = show(botMessage(quickReplies({ wrapped: { type: 'text' } })))
    expect(root.querySelector('p')!.textContent).toBe('Please choose:')
  })
})

describe('dropdown', () => {
  const dropdown = (more: object = {}) => ({
    type: 'custom',
    module: 'extensions',
    component: 'Dropdown',
    message: 'Which size?',
    options: [
      { label: 'Small', value: 's' },
      { label: 'Large', value: 'l' }
    ],
    ...more
  })
  const answered = (text: string, payload: unknown) => [{ type: 'quick_reply', text, payload }]

  test('answers when something is chosen', () => {
    const { root, context } = show(botMessage(dropdown({ placeholderText: 'Size' })))
    const select = root.querySelector('select')!
    expect(select.getAttribute('aria-label')).toBe('Which size?')
    expect([...select.options].map(option => option.text)).toEqual(['Size', 'Small', 'Large'])
    fireEvent.change(select, { target: { value: '1' } })
    expect(context.send.mock.calls).toEqual([answered('Large', 'l')])
  })

  test('waits for Enter or the button while arrow keys change what is chosen', () => {
    const { root, context } = show(botMessage(dropdown()))
    const select = root.querySelector('select')!
    for (const value of ['0', '1']) {
      fireEvent.keyDown(select, { key: 'ArrowDown' })
      fireEvent.change(select, { target: { value } })
    }
    expect(context.send).not.toHaveBeenCalled()
    expect(button(root, 'Send')).toBeDefined()
    fireEvent.keyDown(select, { key: 'Enter' })
    expect(context.send.mock.calls).toEqual([answered('Large', 'l')])
  })

  test('with a text for its button waits for that', () => {
    const { root, context } = show(botMessage(dropdown({ buttonText: 'OK', displayInKeyboard: true })))
    expect(button(root, 'OK').disabled).toBe(true)
    fireEvent.change(root.querySelector('select')!, { target: { value: '0' } })
    expect(context.send).not.toHaveBeenCalled()
    fireEvent.submit(root.querySelector('form')!)
    expect(context.send.mock.calls).toEqual([answered('Small', 's')])
    expect(root.querySelector('form')).toBeNull()
  })

  test('in the keyboard it is there with the last message only', () => {
    expect(show(botMessage(dropdown({ displayInKeyboard: true })), { last: false }).root.textContent).toBe(
      'Which size?'
    )
    expect(
      show(botMessage({ ...dropdown(), type: 'dropdown' }), { last: false }).root.querySelector('select')
    ).not.toBeNull()
  })

  test('takes several', () => {
    const { root, context } = show(botMessage(dropdown({ allowMultiple: true, allowCreation: true })))
    for (const box of root.querySelectorAll('input[type=checkbox]')) fireEvent.click(box)
    fireEvent.input(root.querySelector('input:not([type])')!, { target: { value: ' Huge ' } })
    fireEvent.submit(root.querySelector('form')!)
    expect(context.send.mock.calls).toEqual([answered('Small, Large, Huge', 's, l, Huge')])
  })

  test('takes an answer of the visitor', () => {
    const { root, context } = show(botMessage(dropdown({ allowCreation: true })))
    const input = root.querySelector('input')!
    fireEvent.input(input, { target: { value: 'Huge' } })
    fireEvent.submit(root.querySelector('form')!)
    fireEvent.input(input, { target: { value: 'Large' } })
    fireEvent.submit(root.querySelector('form')!)
    expect(context.send.mock.calls).toEqual([answered('Huge', 'Huge'), answered('Large', 'l')])
  })
})

test('a login asks for name and password, which are shown nowhere', () => {
  const { root, context } = show(botMessage({ type: 'login_prompt', text: 'Who are you?' }))
  const [name, password] = root.querySelectorAll('input')
  expect([password!.type, name!.labels![0]!.textContent, password!.labels![0]!.textContent]).toEqual([
    'password',
    'User name',
    'Password'
  ])
  name!.value = 'ada'
  password!.value = 'hunter2'
  fireEvent.submit(root.querySelector('form')!)
  const sent = { type: 'login_prompt', text: 'Login information sent', data: { username: 'ada', password: 'hunter2' } }
  expect(context.send).toHaveBeenCalledExactlyOnceWith(sent)
  expect(root.querySelector('form')).toBeNull()
  const stored = userMessage(sent, { message_text: sent.text })
  expect(show(stored).root.innerHTML).not.toContain('hunter2')
  expect(previewOf(stored, english)).toBe('Login information sent')
})

test('a place is a link to a map', () => {
  const { root } = show(
    botMessage({ type: 'location', latitude: 48.2, longitude: '16.37', title: 'Vienna', address: 'Ring 1' })
  )
  expect(root.querySelector('a')!.href).toBe('https://www.openstreetmap.org/?mlat=48.2&mlon=16.37#map=16/48.2/16.37')
  expect(root.querySelector('bdi')!.textContent).toBe('Vienna')
  const nowhere = show(botMessage({ type: 'location', latitude: 99, longitude: 1, address: 'Ring 1' })).root
  expect([nowhere.querySelector('a'), nowhere.textContent]).toEqual([null, 'Ring 1'])
})

describe('what is shown at all', () => {
  test('signs are not', () => {
    for (const type of [
      'visit',
      'typing',
      'session_reset',
      'session_reference',
      'request_start_conversation',
      'data'
    ]) {
      expect(isShown(userMessage({ type, text: 'User visit' })), type).toBe(false)
      expect(show(userMessage({ type, text: 'User visit' })).root.textContent, type).toBe('')
    }
  })

  test('what a visitor clicked is, by its words', () => {
    expect(show(userMessage({ type: 'quick_reply', text: 'Yes', payload: 'YES' })).root.textContent).toBe('Yes')
    expect(show(userMessage({ type: 'postback', payload: 'P' }, { message_text: 'Buy' })).root.textContent).toBe('Buy')
    expect(isShown(userMessage({ type: 'postback', payload: 'P' }, { message_text: null }))).toBe(false)
  })
})

test('every type has a preview in one line', () => {
  const preview = (payload: object, more: Partial<Message> = {}) => previewOf(botMessage(payload, more), english)
  expect(preview({ type: 'text', text: ' a\n b ' })).toBe('a b')
  expect(
    preview({ type: 'text', markdown: true, text: '# **Hi** [you](https://x.example), `x` *y*\n- <b>z</b>' })
  ).toBe('Hi you, x y z')
  expect(preview({ type: 'text', text: '2 * 3 * 4 <b>' })).toBe('2 * 3 * 4 <b>')
  expect(preview({ type: 'file', url: 'https://x.example/a.png' })).toBe('Image: a.png')
  expect(preview({ type: 'video', video: '' })).toBe('Video')
  expect(preview({ type: 'file', url: 'https://x.example/a.pdf', title: 'Letter' })).toBe('File: Letter')
  expect(preview({ type: 'carousel', text: ' ', elements: [{ title: 'A' }, { title: 'B' }, null] })).toBe('A, B')
  expect(preview({ type: 'card', title: 'A' })).toBe('A')
  expect(preview(quickReplies())).toBe('Are you sure?')
  expect(preview({ type: 'dropdown', message: 'Which?' })).toBe('Which?')
  expect(preview({ type: 'location', latitude: 1, longitude: 2 })).toBe('1, 2')
  expect(preview({ type: 'login_prompt' })).toBe('Please sign in')
  expect(preview({ type: 'hologram' }, { message_text: 'A hologram' })).toBe('A hologram')
  expect(preview({ type: 'hologram' })).toBe('This message cannot be shown here.')
  expect(preview({ type: 'text', text: 'x'.repeat(1_000) })).toBe(`${'x'.repeat(200)}…`)
})
