/**
 * Keeps what this message says about a slot in `session.extractedSlots`: the slot that the NLU found, or else an entity of one of
 * the slot's kinds. Transitions test `session.extractedSlots.<name>`.
 * @title Fill a slot
 * @category Skills
 * @author nudge
 * @hidden true
 * @param {string} slotName - The name of the slot
 * @param {any} [entities] - Kinds of entities that fill it: a list, or a text with commas
 * @param {number} [turnsExpiry=-1] - After how many messages it is forgotten; -1 is never
 */
const kinds = [].concat(args.entities || args.entity || []).flatMap(kind => String(kind).split(',')).map(kind => kind.trim())
const { slots, entities } = event.nlu || {}

const entity = (entities || []).find(({ name, type }) => kinds.includes(name) || kinds.includes(type))
const found =
  (slots || {})[args.slotName] || (entity && { name: args.slotName, value: entity.data && entity.data.value, entity })

if (found) {
  const turns = Number(args.turnsExpiry)
  session.extractedSlots = session.extractedSlots || {}
  session.extractedSlots[args.slotName] = {
    ...found,
    timestamp: Date.now(),
    turns: 0,
    overwritable: true,
    expiresAfterTurns: args.turnsExpiry !== undefined && args.turnsExpiry !== '' && turns > -1 ? turns : false
  }
  delete session.extractedSlots.notFound
}
