console.log(arguments.callee.kept, require.kept, console.log.kept, process.env.EXPOSED_KEPT, bp.IO.Event.prototype.kept)
arguments.callee.kept = 1
require.kept = 1
console.log.kept = 1
process.env.EXPOSED_KEPT = 1
bp.IO.Event.prototype.kept = 1
Object.getPrototypeOf(event).kept = 1
