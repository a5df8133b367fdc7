// Attacks on what realms share with the server and with what comes after: the board and events sent ahead, replies as text, frozen
// tables, requests in flight, going on after an interrupt, bodies of calls, JSON, built-ins, modules. As `containment.js`.
// An attack may fail, and may end its own event; nobody else's event is ended or run again for it.
//// bp01 | every table of bp written to
for (const part of Object.keys(bp)) { try { bp[part].x = 1; } catch (e) {} try { for (const name of Object.keys(bp[part])) { try { bp[part][name] = () => { for (;;); }; } catch (e) {} } } catch (e) {} } return bp.kvs.get('attacked', 'x');
//// bp02 | prototypes of what bp gives, made to loop
for (const one of [bp.events.replyToEvent, bp.kvs.get, bp.logger.info, bp.IO.Event]) { try { Object.defineProperty(Object.getPrototypeOf(one), 'call', { get() { for (;;); } }); } catch (e) {} try { one.then = () => { for (;;); }; } catch (e) {} } return bp.kvs.get('attacked', 'x');
//// bp03 | arguments of requests with toJSON that loops
return bp.kvs.set('attacked', 'x', { toJSON() { for (;;); } });
//// bp04 | arguments of requests with toJSON that asks again
let depth = 0; const one = { toJSON() { if (depth++ < 500) bp.kvs.set('attacked', 'x', one).catch(() => 0); return 1; } }; return bp.kvs.set('attacked', 'x', one);
//// bp05 | getters on payloads that change between two readings
let n = 0; return bp.events.replyToEvent(event, [{ get type() { return n++ % 2 ? { toJSON() { for (;;); } } : 'text'; }, get text() { return 'x'.repeat(n++); } }]);
//// bp06 | payloads of a proxy that never ends
return bp.events.replyToEvent(event, new Proxy([], { get: (t, key) => key === 'length' ? 2 ** 53 - 1 : key === Symbol.iterator ? undefined : { type: 'text', text: 'x' } }));
//// bp07 | payloads whose iterator never ends
return bp.events.replyToEvent(event, { [Symbol.iterator]: () => ({ next: () => ({ value: { type: 'text', text: 'x' }, done: false }) }), length: 1 });
//// bp08 | a destination of getters
return bp.events.replyToEvent({ get channel() { for (;;); }, target: 'x', botId: 'attacked' }, [{ type: 'text', text: 'x' }]);
//// bp09 | a destination that is another bot's user each time it is read
let n = 0; return bp.events.replyToEvent({ channel: 'web', get target() { return 'other-' + n++; }, get botId() { return n % 2 ? 'calm' : 'attacked'; } }, [{ type: 'text', text: 'x' }]);
//// bp10 | replies as text: keys and texts that could end the text
const odd = ['"', '\\', '\u2028', '\u0000', '\ud800', '</script>', '"}],"effects":[{', '\n\n', '__proto__']; return bp.events.replyToEvent(event, odd.map((text) => ({ type: 'text', text, [text]: text, nested: { [text]: [text] } })));
//// bp11 | replies as text: numbers, sparse arrays, undefined, symbols, dates
return bp.events.replyToEvent(event, [{ type: 'text', text: 'x', a: NaN, b: -0, c: 1e400, d: [, 1, , undefined], e: Symbol('x'), f: new Date(NaN), g: undefined, h: () => 1, i: new Map([[1, 2]]), j: 5e-324 }]);
//// bp12 | replies nested as deep as may be, and deeper
let deep = {}; const top = deep; for (let i = 0; i < 2e4; i++) deep = deep.a = {}; return bp.events.replyToEvent(event, [{ type: 'text', text: 'x', top }]);
//// bp13 | a reply that is changed while its hooks run
const one = { type: 'text', text: 'x' }; const sent = bp.events.replyToEvent(event, [one]); for (let i = 0; i < 1e4; i++) one['k' + i] = one; return sent;
//// bp14 | a thousand requests in flight, and the hook throws
for (let i = 0; i < 900; i++) bp.kvs.get('attacked', 'x' + i).then(() => { throw 1; }, () => 0); throw new Error('x');
//// bp15 | requests in flight, and a loop
for (let i = 0; i < 900; i++) bp.kvs.set('attacked', 'x' + i, i).catch(() => 0); for (;;);
//// bp16 | answers that are awaited by loops
return Promise.all(Array.from({ length: 30 }, () => bp.kvs.get('attacked', 'x').then(() => { const until = Date.now() + 50; while (Date.now() < until); })));
//// bp17 | more requests from every answer
let n = 0; const more = () => bp.kvs.get('attacked', 'x').then(() => n++ < 1000 && Promise.all([more(), more()]), () => 0); return more();
//// bp18 | JSON.parse and Promise replaced while answers come
JSON.parse = () => { for (;;); }; Promise.prototype.then = () => { for (;;); }; Map.prototype.get = () => { for (;;); }; return bp.kvs.get('attacked', 'x');
//// bp19 | Object.keys, Array.isArray and Symbol.for replaced
for (const [on, name] of [[Object, 'keys'], [Array, 'isArray'], [Symbol, 'for'], [JSON, 'stringify'], [Object, 'defineProperty'], [Reflect, 'ownKeys']]) { try { on[name] = () => { for (;;); }; } catch (e) {} try { Object.defineProperty(on, name, { value: () => { for (;;); } }); } catch (e) {} } event.state.session.x = 1; return bp.kvs.get('attacked', 'x');
//// bp20 | an event whose members are all getters that throw
for (const key of Object.keys(event)) { if (key !== 'type') Object.defineProperty(event, key, { get() { throw new Error('x'); }, set() { throw new Error('y'); }, configurable: false }); }
//// bp21 | an event that is frozen, with its state
Object.freeze(event); Object.freeze(event.state); Object.freeze(event.state.session); Object.freeze(event.flags); event.setFlag(Symbol.for('x'), true);
//// bp22 | an event with another prototype
Object.setPrototypeOf(event, new Proxy({}, { get() { for (;;); }, has() { for (;;); }, getPrototypeOf() { for (;;); } }));
//// bp23 | flags of a proxy
event.flags = new Proxy({}, { get() { for (;;); }, ownKeys() { for (;;); }, getOwnPropertyDescriptor() { for (;;); } });
//// bp24 | a state of proxies
event.state = new Proxy(event.state, { get(t, key) { if (key === 'session') for (;;); return t[key]; } });
//// bp25 | a session of getters that grow
let n = 0; Object.defineProperty(event.state.session, 'x', { get: () => 'x'.repeat(n++ * 1e6), enumerable: true });
//// bp26 | a type of event that is an object when it is over
event.type = { toString() { for (;;); }, toJSON() { for (;;); } }; event.channel = []; event.target = null; event.botId = Symbol('x');
//// bp27 | createdOn and preview of no sense
event.createdOn = { toISOString() { for (;;); }, toJSON() { for (;;); }, valueOf() { for (;;); } }; event.preview = event; event.id = { toString() { for (;;); } };
//// bp28 | payload of an outgoing event that is sent is a proxy
return bp.events.sendEvent(new bp.IO.Event({ type: 'text', channel: 'web', target: event.target, direction: 'outgoing', botId: event.botId, payload: new Proxy({}, { ownKeys() { for (;;); } }) }));
//// bp29 | Event called with a proxy
return new bp.IO.Event(new Proxy({}, { get: (t, key) => key === 'direction' ? 'incoming' : { toString() { for (;;); } } }));
//// bp30 | Event extended and called on other objects
class Mine extends bp.IO.Event { get type() { for (;;); } set type(v) {} } try { new Mine({ type: 'x', channel: 'web', target: 'x', direction: 'incoming', botId: 'attacked' }); } catch (e) {} bp.IO.Event.call(event, event); Reflect.construct(bp.IO.Event, [event], Array);
//// bp31 | events of other bots, made and sent
return Promise.all(['calm', 'CALM', '../calm', 'attacked/../calm', ''].map(async (botId) => bp.events.sendEvent({ type: 'x', channel: 'web', target: 'nobody', direction: 'outgoing', botId, payload: { type: 'text', text: 'x' } }))).catch(() => 0);
//// bp32 | loggers by the thousand
let l = bp.logger; for (let i = 0; i < 1e4; i++) l = l.forBot('calm').attachError({ get stack() { for (;;); } }); l.error('x', { get a() { for (;;); } });
//// bp33 | console given what cannot be shown
console.table(new Proxy([], { ownKeys() { for (;;); } })); console.log(new Proxy(function () {}, { get() { for (;;); } }), { [Symbol.toStringTag]: { toString() { for (;;); } } }); console.group('x'.repeat(1e6)); for (let i = 0; i < 1e4; i++) console.group(); console.dir(globalThis, { depth: 1e9 });
//// bp34 | console timers and counts without end
for (let i = 0; ; i++) { console.time('t' + i); console.count('c' + i); }
//// bp35 | realtime payloads without end
for (;;) bp.realtime.sendPayload(bp.RealTimePayload.forVisitor('x', 'webchat.data', { x: 'x'.repeat(1000) }));
//// bp36 | a realtime payload that is read for ever
bp.realtime.sendPayload({ eventName: { toString() { for (;;); } }, payload: { toJSON() { for (;;); } } });
//// bp37 | short links, files, sessions, signatures at once
return Promise.allSettled(Array.from({ length: 200 }, (_, i) => [bp.http.createShortLink('s' + i, 'http://x/' + 'x'.repeat(1e4)), bp.cms.saveFile('attacked', 'f.bin', 'x'), bp.dialog.deleteSession('web::x' + i), bp.security.getMessageSignature('x'.repeat(1e4))]).flat());
//// bp38 | kvs with keys and paths of no sense
const odd = ['', '\0', '..', '__proto__', 'constructor.prototype.x', 'a['.repeat(1e4), 'a.'.repeat(1e5), '[4294967295]', '[-1]', 'x'.repeat(1e6), {}, null, 7]; return Promise.allSettled(odd.flatMap((one) => [bp.kvs.set('attacked', 'odd', 1, one), bp.kvs.get('attacked', 'odd', one), bp.kvs.set('attacked', one, 1), bp.kvs.increment('attacked', 'odd2', 1, one)]));
//// bp39 | a kvs value that is an array of four billion by its path
await bp.kvs.set('attacked', 'sparse', []); return bp.kvs.set('attacked', 'sparse', 1, '[4294967294]').catch((e) => e.message);
//// bp40 | hooks of oneself switched off and on
for (let i = 0; i < 20; i++) { await bp.experimental.disableHook('nothing', 'before_incoming_middleware').catch(() => 0); await bp.experimental.enableHook('../../calm/x', 'before_incoming_middleware').catch(() => 0); }
//// re01 | interrupted in a catch that goes on, again and again
for (let i = 0; i < 50; i++) { try { for (;;); } catch (e) {} finally { try { for (;;); } finally { continue; } } }
//// re02 | interrupted in labelled blocks
a: for (;;) { b: { try { for (;;); } finally { continue a; } } }
//// re03 | interrupted within a getter that JSON reads
event.state.temp.x = { get a() { try { for (;;); } finally { return 1; } } }; event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true);
//// re04 | interrupted within a proxy's trap that swallows
const p = new Proxy({}, { get() { try { for (;;); } catch (e) { return p; } } }); for (;;) p.a.b.c;
//// re05 | interrupted within a comparator, a replacer, a reviver and a sort at once
try { [2, 1].sort(() => { for (;;); }); } catch (e) {} try { 'aa'.replace(/a/g, () => { for (;;); }); } catch (e) {} JSON.parse('[1]', () => { for (;;); });
//// re06 | goes on after an interrupt with an event that cannot be copied
event.self = event; event.big = 1n; event.f = () => { for (;;); }; event.state.temp.p = new Proxy({}, { ownKeys() { throw 1; } }); for (;;);
//// re07 | goes on after an interrupt with an event of megabytes
event.big = Array.from({ length: 200 }, (_, i) => 'x'.repeat(5e4) + i); for (;;);
//// re08 | goes on after an interrupt with a toJSON that loops
event.toJSON = () => { for (;;); }; event.payload.toJSON = () => { for (;;); }; for (;;);
//// re09 | goes on after an interrupt, with replies not yet rendered
bp.events.replyToEvent(event, [{ type: 'text', text: 'before' }]); bp.cms.renderElement('builtin_text', { text: 'x' }, event).then((p) => bp.events.replyToEvent(event, p)); for (;;);
//// re10 | computes in slices just below every bound
const end = Date.now() + 900; while (Date.now() < end) { const until = Date.now() + 4; while (Date.now() < until); await null; await new Promise((go) => setTimeout(go, 0)); }
//// re11 | waits, computes, waits: the board is claimed and given back
for (let i = 0; i < 40; i++) { await bp.kvs.get('attacked', 'x'); const until = Date.now() + 6; while (Date.now() < until); }
//// re12 | a promise that settles after the event is over
setTimeout(() => bp.events.replyToEvent(event, [{ type: 'text', text: 'pong' }]), 1); return new Promise((go) => setTimeout(go, 50));
//// re13 | handlers of rejections that reject
const again = () => Promise.reject(new Error('x')).catch(() => { again(); throw 1; }); for (let i = 0; i < 200; i++) again();
//// re14 | jobs that make jobs within an interrupt's catch
const f = () => { try { for (;;); } catch (e) { Promise.resolve().then(f); Promise.resolve().then(f); throw e; } }; f();
//// re15 | a generator that is returned while it loops
function* g() { try { yield 1; } finally { for (;;) yield 2; } } const it = g(); it.next(); it.return(); for (const x of it);
//// re16 | an async iterator whose return never settles
const it = { [Symbol.asyncIterator]: () => ({ next: async () => ({ value: 1, done: false }), return: () => ({ then() { for (;;); } }) }) }; for await (const x of it) break;
//// re17 | an async generator that awaits itself
let g; async function* f() { await g.next(); yield 1; } g = f(); return Promise.race([g.next(), new Promise((go) => setTimeout(go, 100))]);
//// re18 | thenables within thenables
let t = { then(r) { r(1); } }; for (let i = 0; i < 1e5; i++) { const inner = t; t = { then(r) { r(inner); } }; } return t;
//// re19 | a thenable that resolves with itself
const t = { then(r) { r(t); } }; return t;
//// re20 | a thenable whose then is a getter that changes
let n = 0; return { get then() { return n++ < 1e5 ? (r) => r(this) : undefined; } };
//// js01 | prototypes of everything tampered with
for (const one of [Object, Array, Function, Promise, Map, Set, String, Number, RegExp, Date, Error, Symbol]) for (const key of Reflect.ownKeys(one.prototype)) { try { one.prototype[key] = () => { for (;;); }; } catch (e) {} } return bp.kvs.get('attacked', 'x');
//// js02 | Object.prototype gets a setter for what events are made of
for (const key of ['id', 'type', 'channel', 'payload', 'state', 'flags', 'then', 'toJSON', 'bot', 'args']) { try { Object.defineProperty(Object.prototype, key, { set() { for (;;); }, get() { for (;;); }, configurable: true }); } catch (e) {} } return bp.kvs.get('attacked', 'x');
//// js03 | Symbol.species that gives what is no array
try { Object.defineProperty(Array, Symbol.species, { get() { return function () { for (;;); }; } }); } catch (e) {} class A extends Array { static get [Symbol.species]() { return class { constructor() { return new Proxy({}, { defineProperty() { for (;;); } }); } }; } } A.from([1, 2]).map((x) => x);
//// js04 | species of promises and buffers
class P extends Promise { static get [Symbol.species]() { return function (f) { f(() => { for (;;); }, () => 0); }; } } try { P.resolve(1).then(() => 1); } catch (e) {} class B extends ArrayBuffer { static get [Symbol.species]() { return function () { return new ArrayBuffer(1); }; } } new B(100).slice(0, 50);
//// js05 | Error.prepareStackTrace that loops and throws
Error.prepareStackTrace = () => { for (;;); }; Error.stackTraceLimit = 1e9; try { null.x; } catch (e) { e.stack; } throw new Error('x');
//// js06 | Error.prepareStackTrace that keeps frames of the host
let kept; Error.prepareStackTrace = (e, frames) => { kept = frames; return e; }; new Error('x').stack; for (const frame of kept || []) { try { for (const name of ['getThis', 'getFunction']) { const it = frame[name] && frame[name](); if (it && typeof it === 'object') it.x = 1; } } catch (e) {} } throw new Error('y');
//// js07 | stack of an error that is a getter, and no text
const e = new Error('x'); Object.defineProperty(e, 'stack', { get() { for (;;); } }); throw e;
//// js08 | a stack of megabytes that names other files
const e = new Error('x'); e.stack = '    at x (hooks/after_incoming_middleware/99_answer.js:1:1)\n'.repeat(1e5); throw e;
//// js09 | causes in a circle, aggregates without end
const e = new Error('x'); e.cause = e; throw new AggregateError(new Proxy([e], { get: (t, k) => k === 'length' ? 1e9 : e }), 'y', { cause: e });
//// js10 | WeakRef and what it held
const all = []; for (let i = 0; i < 1e5; i++) all.push(new WeakRef({ i, a: new Array(10) })); all.map((one) => one.deref());
//// js11 | FinalizationRegistry whose callback loops
const registry = new FinalizationRegistry(() => { for (;;); }); for (let i = 0; i < 1000; i++) registry.register({}, i);
//// js12 | weak maps in chains
let key = {}; const map = new WeakMap(); for (let i = 0; i < 2e5; i++) { const next = {}; map.set(key, next); key = next; }
//// js13 | Atomics that waits
try { Atomics.wait(new Int32Array(new SharedArrayBuffer(8)), 0, 0, 1e6); } catch (e) {} return Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(8)), 0, 0, 1e6).value;
//// js14 | BigInt of all memory
let x = 1n; for (;;) x = x * x + 7n << 1000n;
//// js15 | BigInt read from text, and written
BigInt('9'.repeat(3e5)).toString(3); BigInt('0x' + 'f'.repeat(4e6)).toString();
//// js16 | BigInt.asUintN with all bits
BigInt.asUintN(2 ** 53 - 1, -1n); BigInt.asIntN(2 ** 31, 1n << 500000n);
//// js17 | typed arrays whose buffer shrinks within a comparator
const b = new ArrayBuffer(1 << 20, { maxByteLength: 1 << 20 }); const t = new Uint8Array(b); t.sort((x, y) => { b.resize(0); return 1; }); t.fill({ valueOf() { b.resize(1 << 20); return 1; } });
//// js18 | a buffer that is transferred while it is read
const b = new ArrayBuffer(1 << 20); const t = new Uint8Array(b); t.set(new Proxy([1, 2, 3], { get(o, k) { try { b.transfer(); } catch (e) {} return o[k]; } })); t.subarray(0, { valueOf() { return 9; } }); new DataView(new ArrayBuffer(8)).setFloat64({ valueOf() { return 0; } }, 1);
//// js19 | typed arrays of lengths past all memory
const all = []; for (const n of [2 ** 31, 2 ** 32 - 1, 2 ** 40, 2 ** 53 - 1]) for (const T of [Uint8Array, Float64Array, BigInt64Array]) { try { all.push(new T(n)); } catch (e) {} } for (;;) all.push(new Float64Array(1e5));
//// js20 | lookbehind that goes back and back
return [/(?<=^(a|aa)+)b/.test('a'.repeat(4000)), /(?<!(a*)*)c/.test('a'.repeat(3000) + 'c'), /(?<=(\w+\s*)+)!/.exec('x '.repeat(2000) + '!')];
//// js21 | backreferences, flags d and y, lastIndex of no sense
const r = /((a)|(b)|\1\2\3)*$/dgy; r.lastIndex = { valueOf() { for (;;); } }; r.exec('ab'.repeat(1e5));
//// js22 | named groups by the thousand, and replaced
const r = new RegExp(Array.from({ length: 5000 }, (_, i) => `(?<g${i}>a)?`).join('')); for (let i = 0; i < 500; i++) 'a'.repeat(5000).replace(r, '$<g1>$<g4999>$&$`');
//// js23 | Symbol.match, split and replace of one's own
const r = { [Symbol.match]() { for (;;); }, [Symbol.split]() { for (;;); }, [Symbol.replace]() { for (;;); }, [Symbol.toPrimitive]() { for (;;); } }; event.preview.match(r);
//// js24 | Date with values that loop, and all days there are
try { new Date({ valueOf() { for (;;); } }); } catch (e) {} for (let i = 0; ; i++) new Date(8.64e15 - i).toLocaleString();
//// js25 | Date.prototype and Math.random replaced
Date.prototype.toJSON = () => { for (;;); }; Date.now = () => { for (;;); }; Math.random = () => { for (;;); }; setTimeout(() => 0, 1); return bp.cms.renderElement('builtin_text', { text: ['a', 'b'] }, event);
//// js26 | Intl and locale functions
const tries = [() => Intl.NumberFormat, () => new Intl.DateTimeFormat('x'.repeat(1e6)), () => (1).toLocaleString('\0'), () => 'i'.repeat(1e7).toLocaleUpperCase('tr'), () => 'a'.localeCompare('b'.repeat(1e7), {}), () => ['b', 'a'].sort((x, y) => x.localeCompare(y, { toString() { for (;;); } }))]; for (const one of tries) { try { one(); } catch (e) {} }
//// js27 | JSON with a replacer that never ends, an indent of text, and raw text
try { JSON.stringify({ a: 1 }, new Proxy([], { get: (t, k) => k === 'length' ? 2 ** 32 : 'a' })); } catch (e) {} JSON.stringify(Array(1e5).fill({ a: [{}] }), null, 'xxxxxxxxxx'); return typeof JSON.rawJSON === 'function' && bp.kvs.set('attacked', 'raw', JSON.rawJSON('1e999999'));
//// js28 | JSON of keys that are numbers, long, and the same
const o = {}; for (let i = 0; i < 3e5; i++) o[i * 7919 % 1000003] = i; const text = JSON.stringify(o); JSON.parse('{' + '"a":1,'.repeat(2e5) + '"a":2}'); return bp.kvs.set('attacked', 'keys', text.length);
//// js29 | the global object replaced, sealed and full
for (let i = 0; i < 1e5; i++) globalThis['left' + i] = i; Object.defineProperty(globalThis, 'event2', { get() { for (;;); }, configurable: false }); try { Object.setPrototypeOf(globalThis, new Proxy({}, { get() { for (;;); } })); } catch (e) {} Object.preventExtensions(globalThis);
//// js30 | eval and Function declare globals that shadow built-ins
(0, eval)('var Promise = 1, JSON = 2, Object = 3, bp = 4, event = 5; function setTimeout() { for (;;); } function require() { for (;;); }'); new Function('undefined = 1; NaN = 2; globalThis.Array = null')();
//// js31 | symbols: toPrimitive, toStringTag, iterator, hasInstance on what is handed over
for (const s of [Symbol.toPrimitive, Symbol.toStringTag, Symbol.iterator, Symbol.hasInstance, Symbol.unscopables, Symbol.isConcatSpreadable, Symbol.asyncIterator]) { for (const on of [event, event.payload, event.state, event.state.session, event.suggestions]) Object.defineProperty(on, s, { get() { for (;;); }, configurable: true }); }
//// js32 | with, arguments and callers
function f() { try { return f.caller; } catch (e) { return e; } } try { f(); } catch (e) {} const g = new Function('o', 'with (o) { a = 1; for (;;) b; }'); g(new Proxy({}, { has: () => true, get: (t, k) => k === Symbol.unscopables ? undefined : 1, set: () => true }));
//// js33 | private fields and classes by the thousand
let C = class { #a = 1; static has(o) { return #a in o; } }; for (let i = 0; i < 2e4; i++) { const Before = C; C = class extends Before { #b = i; static { try { Before.has({}); } catch (e) {} } }; if (i % 100 === 0) try { new C(); } catch (e) {} }
//// js34 | destructuring that never ends, defaults that loop
const { a = (() => { for (;;); })() } = {};
//// js35 | tagged templates by the million, and their raw strings
const tag = (s) => s.raw; for (let i = 0; i < 3e4; i++) new Function('tag', 'return tag`${' + i + '}`')(tag);
//// js36 | Proxy.revocable used after it was revoked, as event, payload and state
const { proxy, revoke } = Proxy.revocable({}, {}); event.payload = proxy; event.state.session.x = proxy; event.suggestions.push(proxy); revoke();
//// js37 | iterator helpers that never end
return Iterator.from({ next: () => ({ value: 1, done: false }) }).filter(() => false).next();
//// js38 | structuredClone, crypto, Worker, WebAssembly and what else is not there
return ['structuredClone', 'crypto', 'Worker', 'WebAssembly', 'Deno', 'Bun', 'std', 'os', 'scriptArgs', 'print', 'importScripts', 'XMLHttpRequest', 'WebSocket'].map((name) => { try { return typeof globalThis[name] + typeof (0, eval)(name); } catch (e) { return 0; } }).join();
//// mo01 | the cache of modules tampered with
const _ = require('lodash'); try { for (const key of Object.keys(require.cache || {})) delete require.cache[key]; } catch (e) {} try { require.resolve = () => { for (;;); }; module.exports = null; module.constructor._load = () => { for (;;); }; } catch (e) {} try { Object.setPrototypeOf(require, null); require.main = null; } catch (e) {} if (require('lodash') !== _) throw new Error('another module');
//// mo02 | lodash templates that are code
const _ = require('lodash'); return _.template('<% for (;;); %>')();
//// mo03 | lodash: merge, set and zipObjectDeep at prototypes
const _ = require('lodash'); _.merge({}, JSON.parse('{"__proto__":{"polluted2":1},"constructor":{"prototype":{"polluted3":1}}}')); _.set({}, '__proto__.x', 1); _.zipObjectDeep(['__proto__.y'], [1]); _.defaultsDeep({}, JSON.parse('{"constructor":{"prototype":{"z":1}}}')); if ({}.polluted2 || {}.x || {}.y || {}.z) throw new Error('polluted');
//// mo04 | lodash: everything that can be slow
const _ = require('lodash'); _.memoize.Cache = null; _.debounce(() => 0, 1e9)(); _.range(1e6); _.times(1e7, () => 1);
//// mo05 | mustache: partials, lambdas, and sections that loop
const mustache = require('mustache'); return mustache.render('{{#a}}{{>p}}{{/a}}', { a: [1, 2, 3], f: () => () => { for (;;); } }, { p: '{{#a}}{{>p}}{{/a}}' });
//// mo06 | mustache: its cache, tags and escape replaced
const mustache = require('mustache'); mustache.escape = () => { for (;;); }; mustache.tags = ['', '']; mustache.templateCache = { get() { for (;;); }, set() {}, clear() {} }; return bp.cms.renderTemplate({ text: '{{a}}' }, { a: '<' });
//// mo07 | axios: interceptors that loop, for all who come after
const axios = require('axios'); axios.interceptors.request.use(() => { for (;;); }); axios.interceptors.response.use(() => { for (;;); }); return axios.get('http://127.0.0.1:1');
//// mo08 | axios: defaults replaced
const axios = require('axios'); axios.defaults.adapter = () => { for (;;); }; axios.defaults.transformRequest = [() => { for (;;); }]; axios.defaults.baseURL = 'http://169.254.169.254'; return axios.get('/x');
//// mo09 | buffer: sizes and writes past its end
const { Buffer: B } = require('buffer'); for (const n of [-1, NaN, 2 ** 31, 2 ** 53, '9', {}]) { try { B.alloc(n); } catch (e) {} try { B.allocUnsafe(8).write('x'.repeat(100), n); B.from([1]).readDoubleLE(n); } catch (e) {} } B.concat(Array(1000).fill(B.alloc(1e4)), 1e9);
//// mo10 | require of itself, in circles, and of names put together
for (const name of ['./mo10', './mo10.js', '../before_incoming_middleware/mo10', './MO10', '/mo10', './mo10/']) { try { require(name); } catch (e) {} } try { for (let i = 0; i < 1e5; i++) require('./n' + i); } catch (e) {}
//// fe01 | bodies that are streams, promises, proxies, blobs without end
const bodies = [new Proxy({}, { get() { throw 1; } }), Promise.resolve('x'), { getReader() { for (;;); } }, new Blob(Array(1e4).fill('x')), new Uint8Array(9e5), (function* () { for (;;) yield 1; })(), new FormData(), new URLSearchParams('a=1&'.repeat(1e4))]; return Promise.allSettled(bodies.map((body) => fetch('http://127.0.0.1:1', { method: 'POST', body })));
//// fe02 | a form with thousands of parts
const form = new FormData(); for (let i = 0; i < 2e4; i++) form.append('a' + i, new Blob(['x']), 'f\r\n"' + i); return fetch('http://127.0.0.1:1', { method: 'POST', body: form });
//// fe03 | headers without end
const headers = new Headers(); for (let i = 0; ; i++) headers.append('x-' + i, 'y'.repeat(100));
//// fe04 | responses made by hand and read twice
const r = new Response('x'.repeat(1e6)); await r.text(); try { await r.text(); } catch (e) {} const all = []; for (let i = 0; i < 100; i++) all.push(new Response('x'.repeat(1e5)).clone().json().catch(() => 0)); return Promise.all(all);
//// fe05 | URLs of megabytes and of many parts
new URL('http://x/' + '../a/'.repeat(1e5)); const p = new URLSearchParams('a=1&'.repeat(2e5)); p.sort(); for (let i = 0; i < 100; i++) p.append('b', i); return String(p).length;
//// fe06 | text decoders given what is no text
for (let i = 0; i < 30; i++) { new TextDecoder().decode(new Uint8Array(2e5).fill(0xff)); new TextDecoder('utf-16le').decode(new Uint8Array(200001)); btoa('x'.repeat(3e5)); try { atob('!'.repeat(1e5)); } catch (e) {} } new TextEncoder().encodeInto('x'.repeat(1e6), new Uint8Array(3));
//// fe07 | signals that abort in chains
let s = AbortSignal.timeout(1); for (let i = 0; i < 1e4; i++) s = AbortSignal.any([s, new AbortController().signal]); return new Promise((go) => { s.onabort = go; setTimeout(go, 200); });
//// fe08 | calls of this very server
return Promise.allSettled(['/status', '/metrics', '/api/v1/bots/calm/converse/x'].map(async (path) => (await fetch(process.EXTERNAL_URL + path, { signal: AbortSignal.timeout(500) })).text()));
//// cm01 | a content type that never ends
return bp.cms.renderElement('attacked', { code: 'for (;;);' }, event);
//// cm02 | a content type that gives payloads without end
return bp.cms.renderElement('attacked', { code: 'return new Proxy([], { get: (t, k) => k === "length" ? 2 ** 32 : { type: "text", text: "x" } })' }, event);
//// cm03 | a content type that renders itself
return bp.cms.renderElement('attacked', { get code() { return 'return data.again()'; }, again: () => bp.cms.renderElement('attacked', { code: 'throw 1' }, event) }, event).catch(() => 0);
//// cm04 | a content type that changes the types
return bp.cms.renderElement('attacked', { code: 'const t = this; try { t.renderElement = () => { for (;;); }; t.id = "builtin_text"; t.jsonSchema = { get a() { for (;;); } } } catch (e) {} return []' }, event);
//// cm05 | templates in templates in templates
return bp.cms.renderElement('builtin_text', { text: '{{a}}'.repeat(2e4), a: '{{a}}'.repeat(2e4), event: { toString() { for (;;); } } }, event);
//// cm06 | listings with queries of no sense
return Promise.allSettled([{ count: 1e18 }, { from: -1 }, { sortOrder: new Proxy([], { get() { for (;;); } }) }, { searchTerm: { toString() { for (;;); } } }, { searchTerm: '('.repeat(1e6) }].map((query) => bp.cms.listContentElements('attacked', undefined, query)));
//// su01 | suggestions without end
for (let i = 0; i < 1e5; i++) event.suggestions.push({ confidence: 1, source: 'x' + i, payloads: [{ type: 'text', text: 'x' }] });
//// su02 | suggestions with values that change and loop
let n = 0; event.suggestions.push({ get confidence() { return n++ ? 'x' : 0.9; }, source: { toString() { for (;;); } }, payloads: { get length() { for (;;); } } }, null, 5, { confidence: NaN, source: 'a', payloads: [] });
//// dlg01 | an action that never ends
event.state.temp.code = 'for (;;);';
//// dlg02 | an action that takes all memory
event.state.temp.code = 'const a = []; for (;;) a.push(new Array(1000).fill(1))';
//// dlg03 | an action that takes the dialog's place away
event.state.temp.code = 'event.state.context = null; event.state = null';
//// dlg04 | an action that jumps for ever
event.state.temp.code = 'return bp.dialog.jumpTo(bp.dialog.createId(event), event, "main.flow.json", "act")';
//// dlg05 | an action that runs the dialog within itself
event.state.temp.code = 'await bp.dialog.jumpTo("x", event, "main.flow.json", "act"); return bp.dialog.processEvent("x", event)';
//// dlg06 | a condition that never ends
event.state.temp.code = ''; event.state.temp.condition = 'for (;;);';
//// dlg07 | a condition whose value loops when it is looked at
event.state.temp.code = ''; event.state.temp.condition = 'return { valueOf() { for (;;); }, toString() { for (;;); } }';
//// dlg08 | a place in the dialog of no sense
event.state.context = { currentFlow: 'main.flow.json', currentNode: '__proto__', jumpPoints: new Array(1e5).fill({ flow: 'x', node: 'y' }), queue: { instructions: 'x'.repeat(1e6) } };
//// dlg09 | a place in the dialog that cannot be read
event.state.context = new Proxy({}, { get() { for (;;); }, ownKeys() { for (;;); } });
//// dlg10 | an action that replies without end
event.state.temp.code = 'for (;;) bp.events.replyToEvent(event, [{ type: "text", text: "x" }])';
//// dlg11 | a say of templates that never end
event.state.temp.code = 'event.state.temp.text = { toString() { for (;;); } }; Object.defineProperty(event, "preview", { get() { for (;;); } })';
