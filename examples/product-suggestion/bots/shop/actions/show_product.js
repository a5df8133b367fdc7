/**
 * Shows the card of the product in `temp.product`: the content element `builtin_card-<product>`.
 * @title Show the product
 * @category Shop
 */
const payloads = await bp.cms.renderElement(`!builtin_card-${temp.product}`, { event }, event)
await bp.events.replyToEvent(event, payloads)
