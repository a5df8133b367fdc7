/**
 * Calls an API. The skill's flow goes on by `temp.valid`: true where the API answered with a status from 200 to 299. The answer,
 * whatever its status, is kept as `{ body, status }`; where none came, its `body` is `{ error }` and its `status` 0.
 * @title Call an API
 * @category Skills
 * @author nudge
 * @param {string} url - Its address
 * @param {string} [method=get] - The method
 * @param {any} [body] - What is sent, not with get and head; a text that is JSON is sent as JSON
 * @param {object} [headers] - Headers by name
 * @param {string} [memory=temp] - Where the answer is kept: user, session or temp
 * @param {string} [variable=response] - The variable that it is kept in
 */
const axios = require('axios')

const method = String(args.method || 'get').toLowerCase()
const memory = args.memory || 'temp'
const variable = args.variable || 'response'
if (!['user', 'session', 'temp'].includes(memory)) {
  throw new TypeError(`call_api: "memory" must be user, session or temp, got ${JSON.stringify(memory)}`)
}

const request = { method, url: args.url, headers: asObject(inner(args.headers)) || {}, validateStatus: () => true }
if (method !== 'get' && method !== 'head') {
  request.data = asObject(inner(args.body))
}

let answer
try {
  const { data, status } = await axios(request)
  answer = { body: data, status }
} catch (error) {
  console.error(`call_api: ${method} ${args.url} failed: ${error.message}`)
  answer = { body: { error: error.message }, status: 0 }
}
event.state[memory][variable] = answer
temp.valid = answer.status >= 200 && answer.status < 300

/** Texts within an argument are rendered here: the engine renders the argument itself where that is a text. */
function inner(value) {
  return typeof value === 'string' ? value : bp.cms.renderTemplate(value, { event, user, session, temp, bot })
}

/** What a text of JSON means; any other value as it is. */
function asObject(value) {
  if (typeof value !== 'string') {
    return value
  }
  try {
    return JSON.parse(value)
  } catch (error) {
    return value
  }
}
