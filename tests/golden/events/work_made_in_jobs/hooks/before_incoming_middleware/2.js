console.log('second hook')
const id = setInterval(() => { event.count = (event.count || 0) + 1; if (event.count === 3) { clearInterval(id); console.log('three times') } }, 2)
const never = setTimeout(() => console.log('never'), 50)
clearTimeout(never)
setImmediate((a, b) => console.log('immediate', a, b), 1, 2)
try { setTimeout('code') } catch (error) { console.log(error.message) }
