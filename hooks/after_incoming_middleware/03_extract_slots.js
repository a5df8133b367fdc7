// Keeps what the NLU found in this message for the rest of the session, in `session.extractedSlots`.
const { session } = event.state

if (!session.extractedSlots) {
  session.extractedSlots = {}
}

const kept = session.extractedSlots
for (const name in kept) {
  const slot = kept[name]
  // Skills keep lists and marks of their own beside the slots.
  if (slot && typeof slot.turns === 'number') {
    slot.turns += 1
    if (typeof slot.expiresAfterTurns === 'number' && slot.turns > slot.expiresAfterTurns) {
      delete kept[name]
    }
  }
}

const found = (event.nlu && event.nlu.slots) || {}
for (const name in found) {
  if (!kept[name] || kept[name].overwritable !== false) {
    kept[name] = { ...found[name], timestamp: Date.now(), turns: 0, overwritable: true, expiresAfterTurns: false }
    event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
  }
}
