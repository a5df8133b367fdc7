const { WellKnownFlags } = bp.IO
console.log(Object.keys(WellKnownFlags).join(), Object.values(WellKnownFlags).map(flag => Symbol.keyFor(flag)).join())
console.log(event.hasFlag(WellKnownFlags.SKIP_DIALOG_ENGINE), event.setFlag(Symbol.for('skipDialogEngine'), true), event.hasFlag(WellKnownFlags.SKIP_DIALOG_ENGINE))
event.setFlag(WellKnownFlags.SKIP_DIALOG_ENGINE, false)
console.log(event.hasFlag(WellKnownFlags.SKIP_DIALOG_ENGINE), event.hasFlag(Symbol('mine')))
const own = Symbol('own')
event.own = own
event.setFlag(own, 'truthy')
console.log(event.hasFlag(own), event.flags[own], Object.getOwnPropertySymbols(event.flags).length)
for (const wrong of ['text', undefined]) try { event.setFlag(wrong, true) } catch (error) { console.log(error.name, error.message) }
try { WellKnownFlags.NEW = 1; console.log(WellKnownFlags.NEW) } catch (error) { console.log(error.message) }
