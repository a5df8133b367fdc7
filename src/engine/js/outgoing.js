// The way out: every reply passes the outgoing hooks and the channel's sender, one after the other. `at.current` is the event
// at work.
(function (host, base, payloads, at, event, requests) {
  'use strict';
  const { assign } = Object, plain = Object.prototype;
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
  /** The same for replies that no hook will see: they go out as they are, without becoming events first. */
  function sendPlain(channel, address, payloads, answers) {
    const types = [];
    for (let i = 0; i < payloads.length; i++) types.push(payloads[i].type || 'default');
    const to = told(answers);
    let error;
    pumping = true;
    for (let i = 0; i < payloads.length; i++) {
      try {
        post(channel, payloads[i], types[i], address, to);
      } catch (thrown) {
        if (error === undefined) error = thrown;
      }
    }
    // What payloads that are read made of it has waited until here.
    pump();
    if (error !== undefined) throw error;
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
    const { incomingEventId: answers, channel, type, id } = event;
    post(channel, event.payload, type, addressOf(event), told(answers), typeof id === 'string' ? id.toWellFormed() : undefined);
  }
  const told = (answers) => (answers === undefined || answers === null ? undefined : String(answers).toWellFormed());
  function post(channel, payload, type, address, answers, id) {
    let kind = type;
    if (channel === 'web' && (type === 'default' || type === undefined)) {
      kind = 'text';
      if (payload !== null && typeof payload === 'object' && payload.type !== 'text') payload = assign({}, payload, { type: 'text' });
    }
    kind = String(kind).toWellFormed();
    if (host.reply(plain, payload, kind, address, answers, id)) return;
    let text = stringify(payload);
    // Almost no payload has a relative path in it, and its text tells.
    if (text !== undefined && (text.includes('"/') || text.includes('BOT_URL'))) text = stringify(payloads.absolutePayload(payload));
    host.replyText(text === undefined ? 'null' : wellFormed(text), kind, address, answers, id);
  }
  /** Where an event goes, as members of a JSON object; that of the event at work is written once. An address that is
      nobody's is an error of the script: the server would take it for a worker gone mad. */
  function addressOf(event, member) {
    const kept = at.current.address;
    if (kept && kept.channel === event.channel && kept.target === event.target && kept.botId === event.botId && kept.threadId === event.threadId) {
      return kept.text;
    }
    const { channel, target, botId, threadId } = event;
    const text = host.address(
      String(channel).toWellFormed(), String(target).toWellFormed(), String(botId).toWellFormed(),
      threadId === undefined || threadId === null ? undefined : String(threadId).toWellFormed(),
    );
    if (text[0] === '!') throw new Error(`${member === undefined ? 'the event cannot be sent' : `bp.events.${member}`}: ${text.slice(1)}`);
    at.current.address = { channel, target, botId, threadId, text };
    return text;
  }
  /** The server knows events by number; what a script called one by itself is its own business. */
  const numberOf = ({ id }) => (typeof id === 'string' && /^\d{1,18}$/.test(id) ? id : host.eventId());
  function effect(value) {
    const text = stringify(value);
    host.effect(wellFormed(text), value.type.toWellFormed(), true);
  }

  function destinationOf(destination, member, fields) {
    if (destination === null || typeof destination !== 'object') {
      throw new TypeError(`bp.${member}: "destination" must be an event or { channel, target, botId, threadId? }, got ${kindOf(destination)}`);
    }
    // Not `for of`: an iterator for each call costs more than all the rest of this.
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i];
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
      const address = addressOf(to, 'replyToEvent'), own = at.current.event;
      const answers = incomingEventId !== undefined ? incomingEventId : to === own || to instanceof Event ? to.id : own && own.id;
      if (at.current.outgoingHooks.length === 0 && !pumping) return sendPlain(to.channel, address, payloads, answers);
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
