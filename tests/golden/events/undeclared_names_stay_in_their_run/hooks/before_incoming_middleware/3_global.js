console.log(globalThis.leak, global.other, this.self)
globalThis.leak = event.payload.text
global.other = 1
this.self = event.payload.text
