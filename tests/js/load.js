// Helpers of these tests: the engine's JavaScript, the content types and hooks, loaded as a realm does.
const fs = require('node:fs')
const path = require('node:path')

const root = path.join(__dirname, '..', '..')
const read = file => fs.readFileSync(path.join(root, file), 'utf8')

/** The function that a file of the engine is. */
const engine = file => (0, eval)(read(`src/engine/js/${file}`))

/** The bundled mustache that `tests/js.rs` names, or an installed one (`npm ci`). */
const mustache = () => {
  const bundles = process.env.NUDGE_BUNDLES
  return require(bundles ? path.join(bundles, 'mustache.js') : 'mustache')
}

/** All built-in content types by id. */
const contentTypes = () => {
  const files = fs.readdirSync(path.join(root, 'content-types')).filter(file => !file.startsWith('_'))
  const types = files.map(file => require(path.join(root, 'content-types', file)))
  return Object.fromEntries(types.map(type => [type.id, type]))
}

/** What a realm gives cms.js; `given` overrides parts of it. */
const environment = ({ elements = {}, types = {}, ...given } = {}) => {
  const all = { ...contentTypes(), ...types }
  return {
    mustache,
    contentType: id => (Object.hasOwn(all, id) ? all[id] : undefined),
    contentTypeIds: () => Object.keys(all),
    element: id => (Object.hasOwn(elements, id) ? structuredClone({ id, ...elements[id] }) : undefined),
    elementIds: () => Object.keys(elements),
    elementRows: () => Object.keys(elements).map(id => [id, elements[id].contentType, elements[id].createdOn ?? null]),
    isOwn: true,
    botUrl: 'http://localhost:3000',
    botId: 'welcome-bot',
    defaultLanguage: 'en',
    random: () => 0,
    importedContentTypes: () => undefined,
    inBot(member, botId, work, unknown) {
      throw unknown()
    },
    ...given
  }
}

const cms = given => {
  const env = environment(given)
  const rendering = engine('cms.js')(env)
  return { ...rendering, ...engine('elements.js')(env, rendering), ...engine('payloads.js')(env, rendering) }
}
const decision = () => engine('decision.js')()

/** Runs a hook as the engine does: its text is the body of a sloppy function. */
const hook = (file, scope) => new Function(...Object.keys(scope), `${read(`hooks/${file}`)}\n`)(...Object.values(scope))

/** The parameters of an action, as src/script/wrap.rs has them. */
const ACTION = ['bp', 'event', 'user', 'temp', 'session', 'args', 'bot', 'workflow', 'require']
const AsyncFunction = (async () => {}).constructor

/** Runs an action as the engine does, on an event with its state; gives the state. `globals` stand in for the realm's own. */
const action = async (name, { bp = {}, event, args = {}, require: given, globals = {} }) => {
  const { user, temp, session, bot } = event.state
  const run = new AsyncFunction(...ACTION, ...Object.keys(globals), `${read(`actions/${name}.js`)}\n`)
  await run(bp, event, user, temp, session, args, bot, {}, given, ...Object.values(globals))
  return event.state
}

/** The names of all built-in actions. */
const actionNames = () => {
  const folders = fs.readdirSync(path.join(root, 'actions'))
  const files = folder => fs.readdirSync(path.join(root, 'actions', folder)).map(file => `${folder}/${file.slice(0, -3)}`)
  return folders.flatMap(files).sort()
}

/** The text of an action. */
const actionText = name => read(`actions/${name}.js`)

/** A page of the documentation. */
const docs = page => read(`docs/${page}`)

/** What comes of JSON: payloads are compared as they are sent. */
const json = value => JSON.parse(JSON.stringify(value))

module.exports = { action, actionNames, actionText, cms, contentTypes, decision, docs, environment, hook, json, mustache }
