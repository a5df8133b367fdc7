// Attacks on what this server adds to the engine: `bp`, the event, timers, errors, the log. As `containment.js`.
//// own01 | a loop in toJSON of the session
event.state.session.toJSON = () => { for (;;); };
//// own02 | hasFlag replaced by a loop
event.hasFlag = () => { for (;;); };
//// own03 | an event with getters that loop
Object.defineProperty(event, 'isPause', { get() { for (;;); } });
//// own04 | a floating loop
setTimeout(() => { for (;;); }, 10);
//// own05 | an interval that never ends, one millisecond each
setInterval(() => { const until = Date.now() + 1; while (Date.now() < until); }, 1);
//// own06 | an error whose message never comes
throw { get name() { for (;;); } };
//// own07 | an error whose message never comes, in a promise that nobody awaits
for (let i = 0; i < 100; i++) Promise.reject({ get message() { for (;;); } });
//// own08 | log lines without end
for (;;) console.log('x'.repeat(1000));
//// own09 | log lines in every hook that is left
event.loud = true; for (;;) bp.logger.error('x');
//// own10 | replies without end
for (;;) bp.events.replyToEvent(event, [{ type: 'text', text: 'x' }]);
//// own11 | large replies without end
const big = 'x'.repeat(5e6); for (;;) bp.events.replyToEvent(event, [{ type: 'text', text: big }]);
//// own12 | large requests without end
const big = 'x'.repeat(5e6); for (;;) bp.kvs.set('a', 'b', big);
//// own13 | a reply to nobody
return bp.events.replyToEvent({ channel: 'web', target: '\n', botId: '../x' }, [{ type: 'text', text: 'x' }]);
//// own14 | a reply to a channel without end
return bp.events.replyToEvent({ channel: 'x'.repeat(1e6), target: 'x'.repeat(1e6), botId: event.botId }, [{ type: 'text', text: 'x' }]);
//// own15 | an event to oneself without end
for (;;) bp.events.sendEvent(Object.assign({}, event, { id: undefined, type: 'ping' }));
//// own16 | flags with names without end
for (let i = 0; i < 100; i++) event.setFlag(Symbol('x'.repeat(1e6) + i), true);
//// own17 | bp replaced
for (const key of Object.keys(bp)) bp[key] = null; event.payload = null; event.state = null; event.flags = null;
//// own18 | a state that is no JSON
event.state.session.big = 1n; event.state.user = 7; event.state.temp = []; event.state.context = 'x';
//// own19 | a state larger than the wall allows
event.state.session.big = 'x'.repeat(17 << 20);
//// own20 | a template that never ends
return bp.cms.renderTemplate({ text: '{{#a}}'.repeat(1e5) }, { a: true });
//// own21 | require of everything else
return ['fs', 'child_process', 'net', '../../../../etc/passwd', '/etc/passwd', 'http', 'nudge:core', '\0'].map((name) => { try { return require(name); } catch (e) { return e.code; } }).join();
//// own22 | functions of the host by way of the stack
const stack = new Error().stack; Error.prepareStackTrace = (e, frames) => frames; return [stack, typeof new Error().stack, typeof arguments.callee.caller, typeof this].join();
//// own23 | a promise that never settles
return new Promise(() => {});
//// own24 | a message of control characters
throw new Error('\x1b[2J\r\n\u202e' + 'x'.repeat(1e5));
//// own25 | a function name of megabytes in the stack
const f = { ['x'.repeat(3e6)]() { throw new Error('x'); } }; f['x'.repeat(3e6)]();
//// own26 | memory used in a promise that nobody awaits
Promise.resolve().then(() => { const a = []; for (;;) a.push(new Array(1000).fill(1)); });
//// own27 | a then that never returns
return { get then() { for (;;); } };
//// own28 | suggestions that are no suggestions
event.suggestions = new Proxy([], { get() { for (;;); } });
//// own29 | an incoming event of another bot
return bp.events.sendEvent(new bp.IO.Event({ type: 'x', channel: 'web', target: '\n', direction: 'incoming', botId: event.botId, payload: {} }));
//// own30 | the same name of an event id as another's
return bp.events.replyToEvent(event, [{ type: 'text', text: 'x' }, { type: '\ud800', text: '\ud800' }, { type: {}, text: 'x' }], 'not an id');
//// own31 | a state that is small in memory and large on the wire
event.state.session.big = 'é'.repeat(12e6);
//// own32 | events that are none
const make = () => new bp.IO.Event({ type: 'x', channel: 'web', target: event.target, direction: 'incoming', botId: event.botId, payload: {} });
const all = []; for (const [key, value] of [['id', 'x'], ['id', -1], ['type', {}], ['type', 'x'.repeat(1e6)], ['channel', 5], ['channel', '\0'], ['target', null], ['threadId', {}], ['payload', { toJSON() {} }], ['payload', () => 1], ['nlu', { toJSON() {} }], ['preview', '\ud800'], ['suggestions', 5]]) for (const direction of ['incoming', 'outgoing']) { const one = make(); one.direction = direction; one[key] = value; all.push(bp.events.sendEvent(one).then(() => 0, (e) => e.message)); } return Promise.all(all);
//// own33 | the outgoing line given to itself
const one = { type: 'text', get text() { bp.events.replyToEvent(event, [one]); return 'x'; } }; return bp.events.replyToEvent(event, [one]);
//// own34 | renderElement of everything
return Promise.all(['#!x', '!x', 'builtin_text', '@x', '', {}, null, 5, 'x'.repeat(1e6)].map((id) => bp.cms.renderElement(id, { text: { toString() { for (;;); } } }, event).catch((e) => String(e).length)));
//// own35 | a million calls of another server
for (let i = 0; i < 1e6; i++) fetch('http://127.0.0.1:1/' + i).catch(() => 0);
//// own36 | a call that never lets itself be read
return fetch('http://127.0.0.1:1', { get method() { for (;;); } });
//// own37 | calls with odd requests
const odd = [undefined, null, {}, Symbol('x'), 'http://', 'http://[', 'http://a:99999', 'javascript:1', 'http://a\0b', 'x'.repeat(1e6), 'http://' + 'a.'.repeat(1e5), { toString() { throw 1; } }, 'http://169.254.169.254', 'http://2852039166', 'http://0/', 'http://[::]/', 'http://[::ffff:169.254.169.254]/'];
const inits = [7, 'x', { method: 'a b' }, { method: 'x'.repeat(1e6) }, { headers: 7 }, { headers: [['a']] }, { headers: { 'a\r\nb': '1' } }, { headers: { a: '\r\n' } }, { headers: { a: 'x'.repeat(5e6) } }, { body: Symbol('x') }, { body: { toString() { throw 1; } } }, { signal: 7 }, { redirect: {} }];
return Promise.all([...odd.map((one) => [one]), ...inits.map((init) => ['http://127.0.0.1:1', init])].map(async (args) => { try { return await fetch(...args); } catch (e) { return String(e && e.message).length; } }));
//// own38 | many calls with bodies as large as may be
return Promise.all(Array.from({ length: 100 }, () => fetch('http://127.0.0.1:1', { method: 'POST', body: 'x'.repeat(1e6) }).catch((e) => e.message)));
//// own39 | a listener of a signal that never ends, and one that aborts again
const stop = new AbortController(); stop.signal.addEventListener('abort', () => { stop.abort(); fetch('http://127.0.0.1:1', { signal: stop.signal }).catch(() => 0); }); stop.signal.addEventListener('abort', () => { for (;;); }); stop.abort();
//// own40 | classes of fetch given foreign objects
const tries = [() => Response.prototype.json.call({}), () => Request.prototype.url, () => new Request({ __proto__: Request.prototype }), () => Headers.prototype.get.call(new Map(), 'x'), () => AbortSignal.any([{ __proto__: AbortSignal.prototype }]), () => fetch({ __proto__: URL.prototype }), () => new URLSearchParams({ [Symbol.iterator]() { return { next() { for (;;); } }; } })]; for (const attempt of tries) { try { await attempt(); } catch (e) { console.log(e.message); } }
