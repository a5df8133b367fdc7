// The event, `bp`, and what leaves the realm: everything a hook touches, in the realm itself, so that nothing is
// serialised between two steps of an event. Evaluated once per realm; one event at a time lives here (`current`).
// `host` holds the functions of engine/host.rs, `base` is script/js/base.js, `parts` are the other files of this folder.
(function (host, base, parts) {
  'use strict';
  const { freeze, assign } = Object;
  const { parse, stringify } = JSON;
  const symbolFor = Symbol.for, symbolKey = Symbol.keyFor;

  const { cms } = parts;

  /** The event that this realm works on, or null between two events. */
  let current = null;

  // ---- events -------------------------------------------------------------------------------------------------------
  const WellKnownFlags = freeze({
    SKIP_DIALOG_ENGINE: symbolFor('skipDialogEngine'),
    SKIP_QNA_PROCESSING: symbolFor('avoidQnaProcessing'),
    SKIP_NATIVE_NLU: symbolFor('skipNativeNLU'),
    FORCE_PERSIST_STATE: symbolFor('forcePersistState'),
  });
  const SKIP_DIALOG = WellKnownFlags.SKIP_DIALOG_ENGINE, FORCE_PERSIST = WellKnownFlags.FORCE_PERSIST_STATE;

  const defaultNlu = () => ({
    language: 'n/a', entities: [], slots: {}, intent: { name: 'none', confidence: 1, context: 'global' }, intents: [],
    errored: false, includedContexts: ['global'],
  });

  function previewOf(payload, type, channel) {
    if (payload === undefined || payload === null) return `"${type}" event on channel ${channel}`;
    if (typeof payload !== 'object') return undefined;
    return payload.__preview || payload.preview || payload.text;
  }

  function Event(args) {
    if (!new.target) return new Event(args);
    if (args === null || typeof args !== 'object') throw new TypeError(`bp.IO.Event: the argument must be an object, got ${kindOf(args)}`);
    for (const field of ['type', 'channel', 'target', 'direction', 'botId']) {
      const value = args[field];
      if (typeof value !== 'string' || value === '') {
        throw new TypeError(`bp.IO.Event: "${field}" must be a string that is not empty, got ${kindOf(value)}`);
      }
    }
    if (args.direction !== 'incoming' && args.direction !== 'outgoing') {
      throw new TypeError(`bp.IO.Event: "direction" must be 'incoming' or 'outgoing', got '${args.direction}'`);
    }
    fill(this, args, args.id === undefined ? host.eventId() : String(args.id));
  }
  freeze(Event);
  assign(Event.prototype, {
    setFlag(flag, value) {
      if (typeof flag !== 'symbol') throw new TypeError(`event.setFlag: "flag" must be a symbol such as bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, got ${kindOf(flag)}`);
      const on = !!value;
      this.flags[flag] = on;
      if (host.trace) host.flag(`${on ? '' : '!'}${flag.description || 'unnamed'}`.toWellFormed());
    },
    hasFlag(flag) {
      return !!this.flags[flag];
    },
  });
  for (const name of ['setFlag', 'hasFlag']) {
    freeze(Event.prototype[name]);
    Object.defineProperty(Event.prototype, name, { enumerable: false });
  }
  Object.defineProperty(Event.prototype, 'constructor', { enumerable: false });

  // Few hooks look at the `nlu` of a reply: it is made when one does.
  const OutgoingPrototype = Object.create(Event.prototype, {
    nlu: {
      get() {
        const nlu = defaultNlu();
        Object.defineProperty(this, 'nlu', { value: nlu, writable: true, enumerable: true, configurable: true });
        return nlu;
      },
      set(value) {
        Object.defineProperty(this, 'nlu', { value, writable: true, enumerable: true, configurable: true });
      },
    },
  });
  function Outgoing() {}
  Outgoing.prototype = OutgoingPrototype;
  freeze(Event.prototype);
  freeze(OutgoingPrototype);

  function fill(event, args, id) {
    event.id = id;
    event.type = args.type;
    event.channel = args.channel;
    event.target = args.target;
    event.botId = args.botId;
    event.threadId = args.threadId === undefined || args.threadId === null ? undefined : String(args.threadId);
    event.direction = args.direction;
    event.payload = args.payload === undefined ? {} : args.payload;
    const preview = args.preview;
    event.preview = preview !== undefined && preview !== null ? preview : previewOf(args.payload, args.type, args.channel);
    event.createdOn = args.createdOn === undefined ? new Date() : new Date(args.createdOn);
    event.flags = {};
    if (args.direction === 'incoming') {
      event.suggestions = args.suggestions || [];
      event.credentials = args.credentials;
    } else {
      event.incomingEventId = args.incomingEventId;
    }
    if (args.nlu) event.nlu = assign(defaultNlu(), args.nlu);
    else if (!(event instanceof Outgoing)) event.nlu = defaultNlu();
    event.state = {};
    return event;
  }

  function kindOf(value) {
    if (value === null || value === undefined) return String(value);
    if (value === '') return 'an empty string';
    return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
  }

  // ---- requests to the server ---------------------------------------------------------------------------------------
  let pending = new Map();

  function request(method, args) {
    // The rejection will come from the server, which has no stack: keep the script's own.
    const at = new Error();
    return new Promise((resolve, reject) => {
      pending.set(host.request(method, wellFormed(stringify(args), args)), { resolve, reject, at });
    });
  }
  function answered(number, fine, text) {
    const waiting = pending.get(number);
    if (!waiting) return;
    pending.delete(number);
    const value = text === '' ? undefined : parse(text);
    if (fine) {
      waiting.resolve(value);
    } else {
      waiting.at.message = String(value);
      waiting.reject(waiting.at);
    }
  }

  /** JSON text that holds no lone surrogate: the server keeps text as UTF-8. */
  function wellFormed(text, value) {
    return text !== undefined && text.includes('\\ud')
      ? stringify(value, (_key, inner) => (typeof inner === 'string' ? inner.toWellFormed() : inner))
      : text;
  }
  const wellFormedText = (text) => (text.includes('\\ud') ? stringify(parse(`{${text}}`), (_key, inner) => (typeof inner === 'string' ? inner.toWellFormed() : inner)).slice(1, -1) : text);

  // ---- hooks --------------------------------------------------------------------------------------------------------
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

  const argumentsOf = {
    before_suggestions_election: () => [current.bp, local.dialog.createId(current.event), current.event, current.event.suggestions],
  };
  /** Runs a hook of the event's way: gives a promise to wait for, or undefined. */
  function runHook(file, kind, named) {
    const special = argumentsOf[kind];
    const args = special ? special() : named ? [current.bp, ...named] : [current.bp, current.event];
    return settle(call(file, args));
  }

  // ---- outgoing -----------------------------------------------------------------------------------------------------
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
    const files = current.outgoingHooks;
    for (let i = from; i < files.length; i++) {
      const file = files[i];
      const before = host.enter(file.index);
      let waiting;
      try {
        waiting = settle(call(file, [current.bp, event]));
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
      payload = cms.absolutePayload(payload);
      text = stringify(payload);
    }
    text = text === undefined ? 'null' : wellFormed(text, payload);
    const answers = event.incomingEventId;
    host.effect(`{"id":"${numberOf(event)}","direction":"outgoing","type":${stringify(type)},${addressOf(event)},"payload":${text}`
      + (answers === undefined || answers === null ? '}' : `,"incomingEventId":${stringify(String(answers).toWellFormed())}}`), type);
  }
  /** The server knows events by number; what a script called one by itself is its own business. */
  const numberOf = ({ id }) => (typeof id === 'string' && /^\d{1,19}$/.test(id) ? id : host.eventId());
  /** Where an event goes, as members of a JSON object; that of the event at work is written once. An address that is
      nobody's is an error of the script: the server would take it for a worker gone mad. */
  function addressOf(event, member) {
    const kept = current.address;
    if (kept && kept.channel === event.channel && kept.target === event.target && kept.botId === event.botId && kept.threadId === event.threadId) {
      return kept.text;
    }
    const { channel, target, botId, threadId } = event;
    const wrong = host.refuses(String(botId).toWellFormed(), String(target).toWellFormed());
    if (wrong !== undefined) throw new Error(member === undefined ? `the event cannot be sent: ${wrong}` : `bp.events.${member}: ${wrong}`);
    const text = stringify({
      channel: String(channel), target: String(target), botId: String(botId), threadId: threadId === undefined || threadId === null ? undefined : String(threadId),
    }).slice(1, -1);
    current.address = { channel, target, botId, threadId, text: wellFormedText(text) };
    return current.address.text;
  }
  function effect(value) {
    const text = stringify(value);
    host.effect(wellFormed(text, value), value.type.toWellFormed(), true);
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
      const answers = incomingEventId !== undefined ? incomingEventId : to instanceof Event ? to.id : current && current.event && current.event.id;
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
        threadId: threadId === undefined || threadId === null ? undefined : String(threadId), payload: made.payload === undefined ? null : made.payload,
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

  // ---- bp -----------------------------------------------------------------------------------------------------------
  const IO = freeze({ Event, WellKnownFlags });
  const LoggerLevel = freeze({ Info: 'info', Warn: 'warn', Error: 'error', Debug: 'debug' });
  const LogLevel = freeze({ PRODUCTION: 0, DEV: 1, DEBUG: 2 });
  const NodeActionType = freeze({ RenderElement: 'render', RunAction: 'run', RenderText: 'say' });

  function logger(bot, error) {
    const line = (level) => (message, ...meta) => {
      let text = base.format([message, ...meta]);
      if (error !== undefined) text += '\n' + base.inspect(error);
      host.log(level, text.toWellFormed(), new Error().stack.toWellFormed(), bot);
    };
    return {
      info: line('info'), warn: line('warn'), error: line('error'), debug: line('debug'),
      forBot: (id) => logger(String(id).toWellFormed(), error),
      attachError: (attached) => logger(bot, attached),
      persist: () => logger(bot, error),
      level: () => logger(bot, error),
    };
  }

  const segment = (text) => String(text).replace(/%/g, '%25').replace(/::/g, '%3A%3A');
  /** Members that run in the realm, by namespace; the others of the table become requests. */
  const later = (name) => ({ [name]: async (a, b, c, d) => cms[name](a, b, c, d) })[name];
  const local = {
    events,
    cms: {
      renderElement: later('renderElement'), renderTemplate: cms.renderTemplate, getContentElement: later('getContentElement'),
      getContentElements: later('getContentElements'), listContentElements: later('listContentElements'),
      getAllContentTypes: later('getAllContentTypes'),
    },
    dialog: {
      createId(destination) {
        const to = destinationOf(destination, 'dialog.createId', PERSON);
        const target = to.target.includes('::') ? segment(to.target) : to.target;
        return to.threadId ? `${to.channel}::${target}::${to.threadId}` : `${to.channel}::${target}`;
      },
    },
    kvs: {
      getConversationStorageKey: (sessionId, name) => `storage/conversation/${sessionId}/${name}`,
      getUserStorageKey: (userId, name) => `storage/users/${userId}/${name}`,
      getGlobalStorageKey: (name) => `storage/global/${name}`,
      forBot: (botId) => scopedKvs(botId),
      global: () => scopedKvs('___'),
    },
    users: {},
    logger: logger(undefined, undefined),
  };
  const namespaces = {};
  for (const [namespace, member, where] of host.members) {
    const target = namespaces[namespace] || (namespaces[namespace] = {});
    if (where === 'request') {
      const method = `${namespace}.${member}`;
      target[member] = { [member]: (...args) => request(method, args) }[member];
    } else {
      target[member] = local[namespace][member];
    }
  }
  function scopedKvs(botId) {
    const scoped = {};
    for (const member of ['get', 'set', 'delete', 'exists', 'setStorageWithExpiry', 'getStorageWithExpiry']) {
      scoped[member] = (...args) => namespaces.kvs[member](botId, ...args);
    }
    return scoped;
  }
  const bots = namespaces.bots;
  if (bots && bots.getAllBots) {
    const list = bots.getAllBots;
    bots.getAllBots = { getAllBots: async () => new Map(Object.entries(await list())) }.getAllBots;
  }
  for (const namespace of Object.values(namespaces)) {
    for (const member of Object.values(namespace)) if (typeof member === 'function') base.shared(member);
    freeze(namespace);
  }
  // A literal: one allocation with a known shape, where a spread would copy property by property for every event.
  const makeBp = new Function('v', 'n', `return () => ({ version: v.version, IO: v.IO, LoggerLevel: v.LoggerLevel,
    LogLevel: v.LogLevel, NodeActionType: v.NodeActionType, ${Object.keys(namespaces).map((name) => `${name}: n.${name}`).join(', ')} })`,
  )({ version: host.version, IO, LoggerLevel, LogLevel, NodeActionType }, namespaces);

  // ---- one event ----------------------------------------------------------------------------------------------------
  const isRecord = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
  function stateOf(state) {
    // `bot` is whatever scripts keep under `global`; the others are objects, or hooks would fail for ever after.
    for (const part of ['user', 'session', 'temp', 'context', 'bot']) if (!isRecord(state[part])) state[part] = {};
    if (!Array.isArray(state.session.lastMessages)) state.session.lastMessages = [];
    return state;
  }
  function attributesOf(user) {
    const texts = new Map();
    for (const key of Object.keys(user)) texts.set(key, stringify(user[key]));
    return texts;
  }

  /** A part of the state as JSON; undefined, and a word in the log, where that cannot be: then it stays as it was. */
  function stored(name, value, record) {
    let text, why;
    try {
      text = stringify(value);
      if (record && (text === undefined || text[0] !== '{')) why = `it must be an object, it is ${kindOf(value)}`;
    } catch (error) {
      // Out of memory is no matter of this value.
      if (!(error instanceof Error) || error.name === 'InternalError') throw error;
      why = String(error.message);
    }
    if (why === undefined) return text === undefined ? 'null' : wellFormed(text, value);
    host.log('error', `${name} is not stored and stays as it was: ${why}`.toWellFormed(), '');
    return undefined;
  }

  const decisionOptions = freeze({ minimumConfidence: host.minimumConfidence, repeatWindow: host.repeatWindow });

  return {
    /** Starts an event from its work JSON; `copy` is what `snapshot` made where an earlier realm was given up. */
    begin(text, copy, outgoingHooks) {
      const work = parse(text);
      const attributes = attributesOf(work.state.user);
      let event;
      if (copy === undefined) {
        event = fill(Object.create(Event.prototype), work.event, work.event.id);
        event.state = stateOf(work.state);
      } else {
        const saved = parse(copy);
        event = assign(Object.create(Event.prototype), saved.event);
        event.createdOn = new Date(saved.event.createdOn);
        event.flags = {};
        for (const key of saved.flags) event.flags[symbolFor(key)] = true;
        if (!event.state || typeof event.state !== 'object') event.state = {};
        for (const part of ['user', 'session', 'temp', 'bot', 'context']) {
          if (event.state[part] === null || typeof event.state[part] !== 'object') event.state[part] = {};
        }
        stateOf(event.state);
      }
      current = {
        event, bp: makeBp(), attributes, outgoingHooks, address: undefined, wantEvent: work.wantEvent === true,
      };
    },
    /** Starts work that is no event: `bp` and nothing else. */
    beginBare(outgoingHooks) {
      current = { event: null, bp: makeBp(), attributes: null, outgoingHooks, address: undefined, wantEvent: false };
    },
    runHook,
    answered,
    fire(id) {
      const own = systemTimers.get(id);
      if (own) { systemTimers.delete(id); own(); } else base.fire(id);
    },
    describe: base.describe,

    isPaused: () => !!current.event.isPause,
    skipsDialog: () => current.event.hasFlag(SKIP_DIALOG),
    /** Ranks the suggestions; true where there is anything to elect. */
    rank() {
      const { event } = current;
      if (!Array.isArray(event.suggestions)) event.suggestions = [];
      if (event.suggestions.length !== 0) parts.decision.rank(event, decisionOptions);
      return event.suggestions.length !== 0;
    },
    /** Sends the elected suggestion: undefined where there is none, else { redirect? , reason }. */
    elect() {
      const event = current.event;
      const elected = parts.decision.elect(event);
      if (!elected) return undefined;
      const { payloads, redirect } = elected;
      parts.decision.sent(event);
      const sending = send(payloads.map((payload) => makeOutgoing(event, payload, event.id)));
      return [Promise.resolve(sending), redirect ? stringify(redirect) : undefined];
    },
    decisionReason() {
      const made = current.event.decision;
      return made && made.decision ? String(made.decision.reason).toWellFormed() : '';
    },
    /** Whether state goes back although the dialog was skipped. */
    forcesPersist: () => current.event.hasFlag(FORCE_PERSIST),
    /** What goes into the store: `all` of the state, or only `session` and user. */
    stateChange(withContext) {
      const { state } = current.event;
      if (!isRecord(state)) {
        stored('event.state', state, true);
        return '{}';
      }
      const session = state.session;
      if (isRecord(session) && Array.isArray(session.lastMessages) && session.lastMessages.length > 5) session.lastMessages = session.lastMessages.slice(-5);
      const members = [];
      for (const part of withContext ? ['session', 'temp', 'context'] : ['session']) {
        const value = state[part], text = value === undefined || value === null ? '{}' : stored(`event.state.${part}`, value, true);
        if (text !== undefined) members.push(`"${part}":${text}`);
      }
      const user = state.user === undefined || state.user === null ? {} : state.user, before = current.attributes;
      if (!isRecord(user)) {
        stored('event.state.user', user, true);
        return `{${members.join(',')}}`;
      }
      const changed = [];
      for (const key of Object.keys(user)) {
        const value = user[key], text = value === undefined || value === null ? 'null' : stored(`event.state.user.${key}`, value, false);
        if (text !== undefined && before.get(key) !== text) changed.push(`${stringify(key.toWellFormed())}:${text}`);
      }
      for (const key of before.keys()) if (!Object.hasOwn(user, key)) changed.push(`${stringify(key)}:null`);
      if (changed.length !== 0) members.push(`"user":{${changed.join(',')}}`);
      return `{${members.join(',')}}`;
    },
    wantsEvent: () => current.wantEvent,
    /** The event as `/converse/…/secured` shows it. */
    eventView() {
      const { nlu, suggestions, state, decision, credentials } = current.event;
      const view = { nlu, suggestions, state: state && { user: state.user, context: state.context, session: state.session, temp: state.temp }, decision, credentials };
      return wellFormed(stringify(view), view);
    },
    /** The event as JSON, to go on with in a fresh realm. */
    snapshot() {
      const { event } = current;
      const flags = Object.getOwnPropertySymbols(event.flags || {}).filter((flag) => event.flags[flag]).map((flag) => symbolKey(flag) || flag.description || '');
      const saved = { event, flags };
      return wellFormed(stringify(saved), saved);
    },
    invokeView() {
      const { event } = current;
      const flags = Object.getOwnPropertySymbols(event.flags || {}).filter((flag) => event.flags[flag]).map((flag) => flag.description || '');
      const view = { flags, state: event.state, event };
      return wellFormed(stringify(view), view);
    },
    /** Jobs of the outgoing line that still wait. */
    busy: () => queue.length !== 0,
    scrub(added) {
      current = null;
      if (pending.size) pending = new Map();
      if (systemTimers.size) systemTimers = new Map();
      queue = [];
      pumping = false;
      return base.scrub(added);
    },
  };
})
