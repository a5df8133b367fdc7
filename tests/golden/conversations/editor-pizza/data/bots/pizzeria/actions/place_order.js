/**
 * Numbers the order and remembers it.
 * @title Place the order
 * @category Pizza
 * @author admin
 * @param {string} what - What was ordered
 * @param {string} price - Its price
 */
const placeOrder = async () => {
  const number = ((await bp.kvs.get(event.botId, 'orders')) || 100) + 1
  await bp.kvs.set(event.botId, 'orders', number)
  const order = { number, what: args.what, price: parseFloat(args.price) }
  await bp.kvs.set(event.botId, `order-${number}`, { ...order, by: event.target })

  // "temp" itself could be assigned, but that would change nothing for the flow.
  event.state.temp.number = number
  user.last_order = order
}

return placeOrder()
