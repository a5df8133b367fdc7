const attempt = async (name, work) => { try { const value = await work(); console.log(name, value === undefined ? 'undefined' : value instanceof Map ? value : JSON.stringify(value)) } catch (error) { console.log(name, '✗', error.name + ':', error.message, error.stack.includes(__filename) ? '' : 'NO STACK') } }
const { users } = bp
const dateless = ({ created, result }) => ({ created, result: { ...result, createdOn: typeof result.createdOn, updatedOn: typeof result.updatedOn } })
if (event.payload.text !== 'hi') { console.log(JSON.stringify(event.state.user)); return }
await attempt('made', async () => dateless(await users.getOrCreateUser('WEB', 'Zoe')))
await attempt('known', async () => dateless(await users.getOrCreateUser('web', 'Zoe')))
await users.setAttributes('web', 'Zoe', { a: 1, b: 2 })
await users.updateAttributes('Web', 'Zoe', { b: 3, c: [4] })
await attempt('attributes', () => users.getAttributes('web', 'Zoe'))
await users.setAttributes('web', 'Zoe', { only: true })
await attempt('replaced', () => users.getAttributes('web', 'Zoe'))
await users.updateAttributes('api', 'ann', { from: 'users', both: 'users' })
event.state.user.both = 'state'
event.state.user.mine = 1
await attempt('unknown', () => users.getAttributes('web', 'nobody'))
await attempt('all', async () => (await users.getAllUsers()).map(({ created_at, updated_at, ...user }) => ({ ...user, dates: typeof created_at + typeof updated_at })))
await attempt('paged', async () => (await users.getAllUsers({ start: 1, count: 1 })).map(user => user.user_id))
await attempt('count', () => users.getUserCount())
for (const work of [() => users.getOrCreateUser(), () => users.getOrCreateUser('web'), () => users.getOrCreateUser('web', ''), () => users.getAttributes('web', 7), () => users.setAttributes('web', 'u', 'text'), () => users.updateAttributes('web', 'u'), () => users.getAllUsers(7), () => users.getAllUsers({ start: -1 })]) await attempt(String(work).slice(6), work)
