// Payloads on their way out: `BOT_URL` and relative media paths become addresses that a browser can open.
(function (env, cms) {
  'use strict'
  const { isPlain, put } = cms.tools
  const MAX_DEPTH = 100

  const MEDIA_KEYS = new Set(['url', 'image', 'image_url', 'picture', 'video', 'audio', 'file'])
  const base = String(env.botUrl || '').replace(/\/+$/, '')
  const [, origin = '', prefix = ''] = /^([a-z]+:\/\/[^/]*)?(.*)$/i.exec(base)

  function absoluteText(text, key) {
    const out = text.includes('BOT_URL') ? text.replaceAll('BOT_URL', () => base) : text
    if (out[0] !== '/' || out[1] === '/' || !base || !MEDIA_KEYS.has(key)) {
      return out
    }
    // A server below a path, as in https://example.org/chat, has that path in its media paths already.
    return prefix && out.startsWith(prefix + '/') ? origin + out : base + out
  }

  // Runs for every reply. `inherited` is the key of an array's entries.
  function absolute(value, inherited, depth) {
    const array = Array.isArray(value)
    if (depth > MAX_DEPTH || !(array || isPlain(value))) {
      return value
    }
    let out = value
    for (const key of Object.keys(value)) {
      const entry = value[key]
      let next = entry
      if (typeof entry === 'string') {
        next = absoluteText(entry, array ? inherited : key)
      } else if (typeof entry === 'object' && entry !== null) {
        next = absolute(entry, array ? inherited : key, depth + 1)
      }
      if (next !== entry) {
        out = out !== value ? out : array ? value.slice() : { ...value }
        put(out, key, next)
      }
    }
    return out
  }

  // The payload with `BOT_URL` replaced and relative media paths made absolute: the same object if there is nothing to do.
  function absolutePayload(payload) {
    return absolute(payload, '', 0)
  }

  return { absolutePayload }
})
