// Helpers of these tests: events, and actions run on them.
const { action } = require('./load')

/** An event with its state, and a `bp` that notes what is asked of it. */
const setting = (given = {}, bp = {}) => {
  const state = { user: {}, session: { lastMessages: [] }, temp: {}, bot: {}, context: {}, ...given.state }
  const event = {
    id: '7',
    botId: 'shop',
    channel: 'web',
    target: 'ann',
    threadId: '1',
    createdOn: new Date('2026-03-04T05:06:07Z'),
    payload: {},
    preview: '',
    nlu: { intent: { name: 'none' }, slots: {}, entities: [] },
    ...given,
    state
  }
  const calls = []
  const note = name => async (...args) => void calls.push([name, ...args])
  const kvs = Object.fromEntries(['set', 'delete', 'increment', 'setStorageWithExpiry'].map(name => [name, note(name)]))
  Object.assign(kvs, {
    getGlobalStorageKey: name => `global/${name}`,
    getUserStorageKey: (user, name) => `users/${user}/${name}`
  })
  return { event, calls, bp: { kvs, ...bp } }
}

/** Runs an action on a state; gives the state and the calls it made. */
const run = async (name, args, given, bp, globals) => {
  const it = setting(given, bp)
  await action(name, { ...it, args, globals })
  return { ...it.event.state, event: it.event, calls: it.calls }
}

module.exports = { run, setting }
