const dishes = [{ name: 'soup', price: 3 }, { name: 'bread', price: 1 }]
await bp.events.replyToEvent(event, await bp.cms.renderElement('menu', { dishes }, event))
