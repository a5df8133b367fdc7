/**
 * Forgets the pizza that was being put together.
 * @title Start again
 * @category Pizza
 * @author admin
 */
for (const name of ['size', 'toppings', 'list', 'unknown', 'toppings_done', 'delivery_done', 'address_ok', 'way', 'price', 'tries', 'street']) {
  delete event.state['temp'][name]
}
