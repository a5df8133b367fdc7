// The way out: every reply passes the outgoing hooks and the channel's sender, one after the other. `at.current` is the event
// at work.
(function (host, base, payloads, at, event, requests) {
  'use strict';
  const { assign } = Object;
  const { stringify } = JSON;
  const { Event, Outgoing, kindOf, previewOf } = event;
  const { wellFormed } = requests;

  // A compiled file: { run, index, path, require }. What it is called with does not depend on the file.
  function call(file, args) {
    const module = { exports: {} };
    const { run } = file, { exports } = module;
    // `this` is what it is in a module of Node.
    return args.length === 2
      ? run.call(exports, args[0], args[1], module, exports, file.require, file.path, file.dirname)
      : run.call(exports, ...args, module, exports, file.require, file.path, file.dirname);
  }
  function settle(result) {
    if (result === undefined || result === null || (typeof result !== 'object' && typeof result !== 'function')) return undefined;
    if (result instanceof Promise) return result;
    // A thenable: its `then` is called once, in a job, as `await` would.
    return typeof result.then === 'function' ? new Promise((resolve) => resolve(result)) : undefined;
  }

  // One line per event, in the order of the calls, awaited or not: a hook of the first reply that waits holds back the second.
  let queue = [], pumping = false;

  // Most often no hook waits: then everything is out when `send` returns, and there is no need for a promise.
  function send(events) {
    const batch = { left: events.length, error: undefined, resolve: undefined, reject: undefined };
    for (let i = 0; i < events.length; i++) queue.push(events[i], batch);
    if (!pumping) pump();
    if (batch.left !== 0) {
      return new Promise((resolve, reject) => { batch.resolve = resolve; batch.reject = reject; });
    }
    if (batch.error !== undefined) throw batch.error;
    return undefined;
  }
  function pump() {
    pumping = true;
    while (queue.length !== 0) {
      const event = queue.shift(), batch = queue.shift();
      let waiting;
      try {
        waiting = outgoing(event, 0);
      } catch (error) {
        finish(batch, error);
        continue;
      }
      if (waiting !== undefined) {
        waiting.then(() => { finish(batch); pump(); }, (error) => { finish(batch, error); pump(); });
        return;
      }
      finish(batch);
    }
    pumping = false;
  }
  function finish(batch, error) {
    batch.left--;
    if (error !== undefined && batch.error === undefined) batch.error = error;
    if (batch.left === 0 && batch.resolve !== undefined) {
      if (batch.error !== undefined) batch.reject(batch.error);
      else batch.resolve();
    }
  }

  function outgoing(event, from) {
    const files = at.current.outgoingHooks;
    for (let i = from; i < files.length; i++) {
      const file = files[i];
      const before = host.enter(file.index);
      let waiting;
      try {
        waiting = settle(call(file, [at.current.bp, event]));
      } catch (error) {
        host.hookFailed(file.index, base.describe(error));
      } finally {
        host.leave(file.index, before, waiting !== undefined);
      }
      if (waiting !== undefined) {
        return limited(waiting, file).then(() => outgoing(event, i + 1));
      }
    }
    emit(event);
    return undefined;
  }
  /** Waits for an outgoing hook, but no longer than a hook may wait. */
  function limited(promise, file) {
    return new Promise((resolve) => {
      const timer = host.timer(host.hookWaiting, -1);
      systemTimers.set(timer, () => {
        host.hookFailed(file.index, stringify(['TimeoutError', `the hook was still waiting after ${host.hookWaiting} ms; the reply goes on without it (scripts.hookWaiting)`, '']));
        resolve();
      });
      const done = () => { systemTimers.delete(timer); host.clearTimer(timer); resolve(); };
      promise.then(done, (error) => { host.hookFailed(file.index, base.describe(error)); done(); });
    });
  }
  let systemTimers = new Map();

  /** The channel's own sender, last in line: shapes the payload and hands it to the server. */
  function emit(event) {
    let payload = event.payload, type = event.type;
    if (event.channel === 'web' && (type === 'default' || type === undefined)) {
      type = 'text';
      if (payload !== null && typeof payload === 'object' && payload.type !== 'text') payload = assign({}, payload, { type: 'text' });
    }
    type = String(type).toWellFormed();
    let text = stringify(payload);
    // Almost no payload has a relative path in it, and its text tells.
    if (text !== undefined && (text.includes('"/') || text.includes('BOT_URL'))) {
      payload = payloads.absolutePayload(payload);
      text = stringify(payload);
    }
    text = text === undefined ? 'null' : wellFormed(text);
    const answers = event.incomingEventId;
    host.effect(`{"id":"${numberOf(event)}","direction":"outgoing","type":${stringify(type)},${addressOf(event)},"payload":${text}`
      + (answers === undefined || answers === null ? '}' : `,"incomingEventId":${stringify(String(answers).toWellFormed())}}`), type);
  }
  /** The server knows events by number; what a script called one by itself is its own business. */
  const numberOf = ({ id }) => (typeof id === 'string' && /^\d{1,18}$/.test(id) ? id : host.eventId());
  /** Where an event goes, as members of a JSON object; that of the event at work is written once. An address that is
      nobody's is an error of the script: the server would take it for a worker gone mad. */
  function addressOf(event, member) {
    const kept = at.current.address;
    if (kept && kept.channel === event.channel && kept.target === event.target && kept.botId === event.botId && kept.threadId === event.threadId) {
      return kept.text;
    }
    const { channel, target, botId, threadId } = event;
    const wrong = host.refuses(...[channel, target, botId, threadId === undefined || threadId === null ? '' : threadId].map((part) => String(part).toWellFormed()));
    if (wrong !== undefined) throw new Error(member === undefined ? `the event cannot be sent: ${wrong}` : `bp.events.${member}: ${wrong}`);
    const text = stringify({
      channel: String(channel), target: String(target), botId: String(botId), threadId: threadId === undefined || threadId === null ? undefined : String(threadId),
    }).slice(1, -1);
    at.current.address = { channel, target, botId, threadId, text: wellFormed(`{${text}}`).slice(1, -1) };
    return at.current.address.text;
  }
  function effect(value) {
    const text = stringify(value);
    host.effect(wellFormed(text), value.type.toWellFormed(), true);
  }

  function destinationOf(destination, member, fields) {
    if (destination === null || typeof destination !== 'object') {
      throw new TypeError(`bp.${member}: "destination" must be an event or { channel, target, botId, threadId? }, got ${kindOf(destination)}`);
    }
    for (const field of fields) {
      if (typeof destination[field] !== 'string' || destination[field] === '') {
        throw new TypeError(`bp.${member}: "destination.${field}" must be a string that is not empty, got ${kindOf(destination[field])}`);
      }
    }
    return destination;
  }
  const PERSON = ['channel', 'target'], ADDRESS = ['channel', 'target', 'botId'];

  const events = {
    async replyToEvent(destination, payloads, incomingEventId) {
      const to = destinationOf(destination, 'events.replyToEvent', ADDRESS);
      if (!Array.isArray(payloads)) {
        throw new TypeError(`bp.events.replyToEvent: "payloads" must be an array, got ${kindOf(payloads)}`);
      }
      for (let i = 0; i < payloads.length; i++) {
        const payload = payloads[i];
        if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
          throw new TypeError(`bp.events.replyToEvent: "payloads[${i}]" must be an object, got ${kindOf(payload)}`);
        }
      }
      addressOf(to, 'replyToEvent');
      const answers = incomingEventId !== undefined ? incomingEventId : to instanceof Event ? to.id : at.current && at.current.event && at.current.event.id;
      return send(payloads.map((payload) => makeOutgoing(to, payload, answers)));
    },
    async sendEvent(event) {
      if (event === null || typeof event !== 'object') {
        throw new TypeError(`bp.events.sendEvent: "event" must be an event, got ${kindOf(event)}`);
      }
      const made = event instanceof Event ? event : new Event(event);
      for (const field of ['type', ...ADDRESS]) {
        if (typeof made[field] !== 'string' || made[field] === '') {
          throw new TypeError(`bp.events.sendEvent: "event.${field}" must be a string that is not empty, got ${kindOf(made[field])}`);
        }
      }
      addressOf(made, 'sendEvent');
      if (made.direction === 'outgoing') return send([made]);
      const { channel, target, botId, threadId } = made;
      effect({
        id: numberOf(made), direction: 'incoming', type: made.type, channel, target, botId,
        threadId: threadId === undefined || threadId === null ? undefined : String(threadId), payload: stringify(made.payload) === undefined ? null : made.payload,
        preview: typeof made.preview === 'string' ? made.preview : undefined, nlu: made.nlu, suggestions: made.suggestions,
      });
      return undefined;
    },
  };

  function makeOutgoing(to, payload, incomingEventId) {
    // The same properties in the same order as `fill` gives an event, without the detour of arguments.
    const event = new Outgoing();
    const type = payload !== null && typeof payload === 'object' && payload.type ? payload.type : 'default';
    event.id = host.eventId();
    event.type = type;
    event.channel = to.channel;
    event.target = to.target;
    event.botId = to.botId;
    event.threadId = to.threadId === undefined || to.threadId === null ? undefined : String(to.threadId);
    event.direction = 'outgoing';
    event.payload = payload;
    event.preview = previewOf(payload, type, to.channel);
    event.createdOn = new Date();
    event.flags = {};
    event.incomingEventId = incomingEventId;
    event.state = {};
    return event;
  }

  return {
    events, send, makeOutgoing, destinationOf, PERSON, call, settle,
    /** Fires a timer of ours; false where it is none. */
    fire(id) {
      const own = systemTimers.get(id);
      if (!own) return false;
      systemTimers.delete(id);
      own();
      return true;
    },
    scrub() {
      if (systemTimers.size) systemTimers = new Map();
      queue = [];
      pumping = false;
    },
  };
})
