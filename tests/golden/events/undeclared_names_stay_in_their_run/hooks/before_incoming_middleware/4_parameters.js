event = { ...event, replaced: true }
bp = undefined
const said = console.log
said(event.replaced, bp, arguments.length >= 2, typeof arguments[0])
console = { log: () => {} }
console.log('not heard')
process = 1
require = 2
said(process, require)
