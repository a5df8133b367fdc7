const attempt = async (name, work) => { try { console.log(name, await work()) } catch (error) { console.log(name, '✗', error.message) } }
const { experimental } = bp
const kind = 'before_incoming_middleware'
if (event.payload.text !== 'switch') return
await attempt('disable', () => experimental.disableHook('a', kind))
await attempt('disabled already', () => experimental.disableHook('a.js', kind))
await attempt('disable below', () => experimental.disableHook('b', kind, 'sub'))
await attempt('enable', () => experimental.enableHook('c', kind))
await attempt('enabled already', () => experimental.enableHook('c', kind))
await attempt('nothing there', () => experimental.disableHook('nothing', kind))
await attempt('built in', () => experimental.disableHook('00_skip_system_events', 'after_incoming_middleware'))
for (const args of [[], ['a'], ['a', 'no_kind'], ['../a', kind], ['a', kind, '../..'], ['a', kind, '/etc'], ['a/b', kind]]) await attempt(args.join(), () => experimental.disableHook(...args))
