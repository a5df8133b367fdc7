event.fn = () => 'called'
event.date = new Date(0)
event.made = new (class Thing { constructor() { this.x = 1 } say() { return 'thing' } })()
event.map = new Map([['k', event]])
event.state.temp.date = new Date(0)
event.state.session.fn = () => 1
globalThis.first = undefined
event.self = event
