console.log(event.fn(), event.date instanceof Date, event.made.say(), event.made.constructor.name, event.map.get('k') === event, event.self === event)
event.bp = bp
