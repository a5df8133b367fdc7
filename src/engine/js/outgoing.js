// The way out: every reply passes the outgoing hooks and the channel's sender, one after the other. `at.current` is the event
// at work.
(function (host, base, payloads, at, event, requests) {
  'use strict';
  const { assign } = Object, plain = Object.prototype;
  const { stringify } = JSON;
  const { Event, outgoingPrototype, kindOf, previewOf } = event;
  const { wellFormed } = requests;

  // A compiled file: { run, index, path, require }. What it is called with does not depend on the file.
  function call(file, args) {
    const module = { exports: {} }, { exports } = module;
    // `this` is what it is in a module of Node.
    return file.run.call(exports, ...args, module, exports, file.require, file.path, file.dirname);
  }
  /** The same for most hooks. */
  function callHook(file, bp, event) {
    const exports = {}, module = { exports };
    return file.run.call(exports, bp, event, module, exports, file.require, file.path, file.dirname);
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
    if (pumping) return queued(events, 0, undefined);
    let error;
    pumping = true;
    for (let i = 0; i < events.length; i++) {
      let waiting;
      try {
        waiting = outgoing(events[i], 0);
      } catch (thrown) {
        if (error === undefined) error = thrown;
        continue;
      }
      if (waiting !== undefined) return queued(events, i, error, waiting);
    }
    return sent(error);
  }
  /** Those from `from` on are queued; the first of them already waits for a hook, if any does. */
  function queued(events, from, error, waiting) {
    const batch = { left: events.length - from, error, resolve: undefined, reject: undefined }, rest = [];
    if (waiting !== undefined) finished(waiting, batch);
    for (let i = waiting === undefined ? from : from + 1; i < events.length; i++) rest.push(events[i], batch);
    // What was made while these were on their way comes after them.
    queue = waiting === undefined ? queue.concat(rest) : rest.concat(queue);
    return batch.left === 0 ? undefined : new Promise((resolve, reject) => { batch.resolve = resolve; batch.reject = reject; });
  }
  function finished(waiting, batch) {
    waiting.then(() => { finish(batch); pump(); }, (error) => { finish(batch, error); pump(); });
  }
  /** The same for replies that no hook will see: they go out as they are, without becoming events first. */
  function sendPlain(channel, address, payloads, answers) {
    const types = [];
    for (let i = 0; i < payloads.length; i++) types.push(typeOf(payloads[i]));
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
    return sent(error);
  }
  /** All are out; what hooks of theirs, or payloads that were read, have made meanwhile has waited until here. */
  function sent(error) {
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
        finished(waiting, batch);
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
        waiting = settle(callHook(file, at.current.bp, event));
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
      return reply(to, address, payloads, answers);
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
      const value = {
        id: numberOf(made), direction: 'incoming', type: made.type, channel, target, botId,
        threadId: threadId === undefined || threadId === null ? undefined : String(threadId), payload: stringify(made.payload) === undefined ? null : made.payload,
        preview: typeof made.preview === 'string' ? made.preview : undefined, nlu: made.nlu, suggestions: made.suggestions,
      };
      // It resolves when the event is stored.
      return requests.asked(() => host.sendEvent(wellFormed(stringify(value)), made.type.toWellFormed()));
    },
  };

  /** Sends payloads to an address. */
  function reply(to, address, payloads, answers) {
    if (at.current.outgoingHooks.length === 0 && !pumping) return sendPlain(to.channel, address, payloads, answers);
    const made = [];
    for (let i = 0; i < payloads.length; i++) made.push(makeOutgoing(to, payloads[i], answers));
    return send(made);
  }
  /** Answers the event at work. A hook may still change where a reply goes. */
  const answer = (event, payloads) => reply(event, at.current.outgoingHooks.length === 0 ? addressOf(event) : undefined, payloads, event.id);

  function typeOf(payload) {
    return payload !== null && typeof payload === 'object' && payload.type ? payload.type : 'default';
  }
  function makeOutgoing(to, payload, incomingEventId) {
    const { channel, threadId } = to, type = typeOf(payload);
    // The same properties in the same order as `fill` gives an event, without the detour of arguments.
    return {
      __proto__: outgoingPrototype, id: host.eventId(), type, channel, target: to.target, botId: to.botId,
      threadId: threadId === undefined || threadId === null ? undefined : String(threadId), direction: 'outgoing', payload,
      preview: previewOf(payload, type, channel), createdOn: new Date(), flags: {}, incomingEventId, state: {},
    };
  }

  return {
    /** An event of a reply, of no address. */
    sample: () => makeOutgoing({ channel: '', target: '', botId: '' }, {}, ''),
    events, answer, destinationOf, PERSON, call, callHook, settle,
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
