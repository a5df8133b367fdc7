const local = 'local'
console.log(eval('local'), typeof leaked, typeof leakedVar, typeof leakedFunction)
;(0, eval)('let leaked = 1; var leakedVar = 2; function leakedFunction() {}')
console.log(typeof leaked, leakedVar)
