console.log(arguments.callee.kept, arguments.callee.prototype.kept, require.kept, console.log.kept, process.env.EXPOSED_KEPT, bp.IO.Event.prototype.kept, event.kept, bp.cms.renderTemplate.prototype && bp.cms.renderTemplate.prototype.kept)
arguments.callee.kept = 1
arguments.callee.prototype.kept = 1
require.kept = 1
console.log.kept = 1
process.env.EXPOSED_KEPT = 1
bp.IO.Event.prototype.kept = 1
Object.getPrototypeOf(event).kept = 1
bp.cms.renderTemplate.prototype && (bp.cms.renderTemplate.prototype.kept = 1)
