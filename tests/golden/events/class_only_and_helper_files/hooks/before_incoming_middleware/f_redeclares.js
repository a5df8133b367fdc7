const module = 1
let exports = 2
const require = 3
class process {}
const console = { log() {} }
const printObject = 1, __filename = 1
let setTimeout
