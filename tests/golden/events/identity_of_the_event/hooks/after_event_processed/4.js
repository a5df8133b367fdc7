console.log(event.fn(), event.date.getTime(), event.made.say(), event.state.temp.date instanceof Date)
const type = bp.IO.Event
console.log(event instanceof type, event.createdOn instanceof Date, event.constructor === type)
