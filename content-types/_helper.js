// What the built-in content types share. A leading underscore makes a file a helper instead of a content type.

/** The typing indicator that comes before a payload, if the element wants one (`true`, or milliseconds). */
const typing = data => (data.typing ? [{ type: 'typing', value: data.typing }] : [])

/** A relative media path as an absolute URL; `BOT_URL` in it stands for the server's address. */
const absolute = (data, path) => {
  const base = String(data.BOT_URL || '').replace(/\/+$/, '')
  const url = String(path === undefined || path === null ? '' : path).replace(/BOT_URL/g, () => base)
  if (!base || url[0] !== '/' || url[1] === '/') {
    return url
  }
  // A server below a path, as in https://example.org/chat, has that path in its media paths already.
  const [, origin, prefix] = /^([a-z]+:\/\/[^/]*)?(.*)$/i.exec(base)
  return prefix && url.startsWith(prefix + '/') ? (origin || '') + url : base + url
}

/** Whether a channel takes the payloads of the web chat. */
const webLike = channel => channel === 'web' || channel === 'api' || channel === 'telegram'

/** A list that a caller may have left out. */
const list = value => (Array.isArray(value) ? value : [])

/** The first words of a text, for previews. */
const preview = (prefix, text) => (text ? `${prefix}: ${text}` : prefix)

const actions = {
  'Say something': action => ({ type: 'say_something', title: action.title, text: action.text }),
  'Open URL': (action, data) => ({ type: 'open_url', title: action.title, url: absolute(data, action.url) }),
  Postback: action => ({ type: 'postback', title: action.title, payload: action.payload })
}

/** A card's button for the web chat. */
const webButton = (action, data) => {
  if (!Object.prototype.hasOwnProperty.call(actions, action.action)) {
    const known = Object.keys(actions).join('", "')
    throw new Error(`the card's action "${action.action}" is not known: use one of "${known}"`)
  }
  return actions[action.action](action, data)
}

/** The same for Messenger. */
const messengerButton = (action, data) => {
  const button = webButton(action, data)
  return button.type === 'open_url'
    ? { type: 'web_url', title: button.title, url: button.url }
    : { type: 'postback', title: button.title, payload: button.type === 'postback' ? button.payload : button.text }
}

/** Cards side by side, as each channel takes them. */
const carousel = (data, channel) => {
  const cards = list(data.items)
  if (webLike(channel)) {
    const elements = cards.map(card => ({
      title: card.title,
      picture: card.image ? absolute(data, card.image) : null,
      subtitle: card.subtitle,
      buttons: list(card.actions).map(action => webButton(action, data))
    }))
    return [...typing(data), { type: 'carousel', text: ' ', elements }]
  }
  if (channel === 'messenger') {
    const elements = cards.map(card => {
      const buttons = list(card.actions).map(action => messengerButton(action, data))
      return {
        title: card.title,
        image_url: card.image ? absolute(data, card.image) : undefined,
        subtitle: card.subtitle,
        // Messenger refuses an empty list.
        buttons: buttons.length ? buttons : undefined
      }
    })
    return [...typing(data), { attachment: { type: 'template', payload: { template_type: 'generic', elements } } }]
  }
  return []
}

/** A file of a kind that Messenger knows (`image`, `video`, `audio`, `file`). */
const messengerAttachment = (type, url) => ({ attachment: { type, payload: { is_reusable: true, url } } })

/** The schema of the typing switch, which every type has. */
const typingSchema = { typing: { type: 'boolean', title: 'Show typing indicators', default: true } }

module.exports = {
  typing,
  absolute,
  webLike,
  list,
  preview,
  carousel,
  messengerAttachment,
  typingSchema
}
