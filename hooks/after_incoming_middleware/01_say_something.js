// Makes the bot say what a page or a carousel's button asked for: `{ type: 'say_something', text }`.
// The text of an element is written `#!<id of the element>`; anything else is said as it is.
if (event.type === 'say_something') {
  // The widget's sendEvent wraps what the page sent into the payload of the event.
  const { payload } = event
  const inner = payload && payload.payload
  const text = [payload, inner, inner && inner.payload].map(part => part && part.text).find(Boolean)

  if (typeof text === 'string') {
    return say(text)
  }
}

async function say(text) {
  const payloads = text.startsWith('#!')
    ? await bp.cms.renderElement(text, { event }, event)
    : await bp.cms.renderElement('builtin_text', plainText(text), event)
  await bp.events.replyToEvent(event, payloads, event.id)
}

// What a visitor sent is data: braces in it are said, not looked up.
function plainText(text) {
  return text.includes('{{') ? { text: '{{{said}}}', said: text, typing: true } : { text, typing: true }
}
