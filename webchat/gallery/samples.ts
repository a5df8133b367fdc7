/** One payload of each kind, as bots send them. */

import type { Payload } from '../src/types'

const picture = (origin: string, hue: number) => `${origin}/picture.svg?hue=${hue}`
const card = (origin: string, title: string, hue: number): Payload => ({
  title,
  subtitle: 'Three rooms, a balcony, and the lake at the end of the street',
  picture: picture(origin, hue),
  buttons: [
    { type: 'say_something', title: 'Tell me more', text: `More of ${title}` },
    { type: 'open_url', title: 'Open the page', url: 'https://example.org/' },
    { type: 'postback', title: 'Book it', payload: { title } }
  ]
})
const options = ['Small', 'Medium', 'Large', 'Extra large'].map(label => ({ label, value: label.toLowerCase() }))
const replies = (more: Payload): Payload => ({
  type: 'custom',
  module: 'channel-web',
  component: 'QuickReplies',
  ...more
})

/** A name, a payload, and whether the visitor sent it. */
export type Sample = [title: string, payload: Payload, user?: boolean]

/** All samples; `origin` is where pictures and sounds are. */
export const samples = (origin: string): Sample[] => [
  ['text', { type: 'text', text: 'Hello! Plain text,\nwith a line break, https://example.org and help@example.org.' }],
  [
    'text of the visitor',
    {
      type: 'text',
      text: 'Is it **free**? See https://example.org/a/very/long/address/that/needs/to/be/broken/somewhere'
    },
    true
  ],
  [
    'text, markdown',
    {
      type: 'text',
      markdown: true,
      text: '## Opening hours\n\nWe are open **daily**, but *not* on `holidays`:\n\n- Monday\n- Tuesday\n  1. early\n  2. late\n\n> A quotation\n\n```\nnpm install\n```\n\n| Day | Hours |\n|---|---|\n| Mon | 9 to 5 |\n\n[Read more](https://example.org)'
    }
  ],
  ['text, Arabic', { type: 'text', markdown: true, text: 'مرحبا! كيف يمكنني **مساعدتك** اليوم؟\n\n- واحد\n- اثنان' }],
  [
    'quick replies',
    replies({
      quick_replies: [
        { title: 'Yes', payload: 'YES' },
        { title: 'No', payload: 'NO' },
        { title: 'I would like to think about it a little longer', payload: 'X' }
      ],
      wrapped: { type: 'text', text: 'Shall we begin?' }
    })
  ],
  [
    'quick replies in rows',
    replies({
      quick_replies: [
        [{ title: 'One' }, { title: 'Two' }],
        [{ title: 'Three' }],
        [{ title: 'Send a photo', payload: 'BOTPRESS.IMAGE_UPLOAD' }]
      ],
      wrapped: { type: 'text', text: 'Pick one.' }
    })
  ],
  [
    'single-choice',
    {
      type: 'single-choice',
      text: 'Which colour?',
      choices: [
        { title: 'Red', value: 'r' },
        { title: 'Blue', value: 'b' }
      ]
    }
  ],
  [
    'carousel',
    {
      type: 'carousel',
      text: ' ',
      elements: [card(origin, 'Lake house', 210), card(origin, 'Old town', 20), card(origin, 'Garden flat', 120)]
    }
  ],
  [
    'carousel, settings',
    {
      type: 'carousel',
      items: [card(origin, 'Lake house', 210), card(origin, 'Old town', 20), { title: 'Words only' }],
      settings: { dots: true, slidesToShow: 2 }
    }
  ],
  [
    'card',
    {
      type: 'card',
      title: 'Lake house',
      subtitle: 'With a balcony',
      image: picture(origin, 280),
      actions: [
        { action: 'Say something', title: 'Tell me more', text: 'more' },
        { action: 'Open URL', title: 'A bad link', url: 'javascript:1' }
      ]
    }
  ],
  ['image', { type: 'image', image: picture(origin, 330), title: 'The lake in autumn' }],
  ['image that fails', { type: 'image', image: `${origin}/none.png?missing`, title: 'Not there' }],
  [
    'file, an upload',
    {
      type: 'file',
      url: 'https://example.org/1',
      name: 'a-rather-long-file-name-of-a-letter-2026-11-22.pdf',
      mime: 'application/pdf',
      size: 1234567
    },
    true
  ],
  ['file', { type: 'file', file: 'https://example.org/a.zip', title: 'The archive' }],
  ['audio', { type: 'audio', audio: `${origin}/silence.wav`, title: 'A message' }],
  ['video', { type: 'video', video: `${origin}/film.webm`, title: 'A film' }],
  [
    'location',
    { type: 'location', latitude: 48.2082, longitude: 16.3738, title: 'Our office', address: 'Stephansplatz 1, Vienna' }
  ],
  ['dropdown', { type: 'dropdown', message: 'Which size?', options }],
  [
    'dropdown, button',
    { type: 'dropdown', message: 'Which size?', options, buttonText: 'Choose', displayInKeyboard: true }
  ],
  [
    'dropdown, several',
    { type: 'dropdown', message: 'Which sizes?', options, allowMultiple: true, allowCreation: true }
  ],
  [
    'dropdown, free',
    { type: 'dropdown', message: 'Which size?', options, allowCreation: true, displayInKeyboard: true }
  ],
  ['login_prompt', { type: 'login_prompt', text: 'Please sign in to see your orders.' }],
  ['unknown', { type: 'hologram' }],
  ['broken', { type: 'carousel', elements: 7 }]
]
