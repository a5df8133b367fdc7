console.log('plain', 1, true, null, undefined, 'second')
console.info('info'); console.warn('warn'); console.error('error'); console.debug('debug'); console.trace('trace')
console.log('%s is %d years, %i %f %j %o %% %c.', 'Ann', '42', 1.9, '1.5', { a: 1 }, [1], 'css')
console.log({ a: { b: { c: { d: { e: { f: 1 } } } } }, list: [1, 'two', [3]], fn() {}, arrow: () => {}, date: new Date(0), regex: /x/g, sym: Symbol('s'), map: new Map([['k', 1]]), set: new Set([1]), big: 1n, und: undefined, 'odd key': 1, get getter() { return 1 } })
const circular = { name: 'c' }; circular.self = circular
console.log(circular, [], {}, new (class Own { x = 1 })(), Object.create(null), new Error('in a list').message)
console.table([{ a: 1 }]); console.dir({ d: 1 })
console.assert(true, 'fine'); console.assert(false, 'not %s', 'fine')
console.count(); console.count(); console.group('group'); console.log('indented'); console.groupEnd(); console.log('not')
printObject({ printed: [1, 2] })
console.time('t'); console.timeEnd('none')
bp.logger.info('logger', { meta: 1 }); bp.logger.warn('w'); bp.logger.error('e'); bp.logger.debug('d')
bp.logger.forBot('bot').info('of the bot'); bp.logger.attachError(new TypeError('attached')).error('with an error'); bp.logger.persist(true).level(1).forBot('x').warn('chained')
function inner() {
  console.log('from a function')
}
inner()
console.log('\u001b[31mcolour\u001b[0m and\nlines')
console.log('x'.repeat(30000).length, 'y'.repeat(10))
const { log } = console
log('taken apart')
