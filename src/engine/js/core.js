// `bp` and the life of one event in a realm: everything a hook touches, in the realm itself, so that nothing is serialised
// between two steps of an event. Evaluated once per realm; one event at a time lives here (`at.current`).
// `host` holds the functions of engine/bot_realm.rs, `base` is script/js/base.js, the others are the files of this folder.
(function (host, base, env, cms, elements, decision, at, event, requests, outgoing, dialog, realtime) {
  'use strict';
  const { freeze, assign } = Object, plain = Object.prototype;
  const { parse, stringify } = JSON;
  const symbolFor = Symbol.for, symbolKey = Symbol.keyFor;
  const { Event, WellKnownFlags, fill, kindOf } = event;
  const { request, answered, fetched, wellFormed } = requests;
  base.connect(requests);
  const { events, answer, destinationOf, PERSON, call, callHook, settle } = outgoing;
  const SKIP_DIALOG = WellKnownFlags.SKIP_DIALOG_ENGINE, FORCE_PERSIST = WellKnownFlags.FORCE_PERSIST_STATE;

  // ---- hooks --------------------------------------------------------------------------------------------------------
  /** Runs a hook of the event's way: gives a promise to wait for, or undefined. Before the election, and for work that is no
   *  event, hooks have arguments of their own. */
  function runHook(file, elects, named) {
    const { bp, event } = at.current;
    if (elects) return settle(call(file, [bp, local.dialog.createId(event), event, event.suggestions]));
    return settle(named === undefined ? callHook(file, bp, event) : call(file, [bp, ...named]));
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
      host.log(level, text.toWellFormed(), base.stackHere(), bot);
    };
    return {
      info: line('info'), warn: line('warn'), error: line('error'), debug: line('debug'),
      forBot: (id) => logger(String(id).toWellFormed(), error),
      attachError: (attached) => logger(bot, attached),
      persist: () => logger(bot, error),
      level: () => logger(bot, error),
    };
  }

  const isRecord = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
  /** An argument that must be a string. */
  function given(member, name, value) {
    if (typeof value !== 'string') throw new TypeError(`bp.${member}: "${name}" must be a string, got ${kindOf(value)}`);
    return value;
  }
  const segment = (text) => String(text).replace(/%/g, '%25').replace(/::/g, '%3A%3A');
  /** Members that run in the realm, by namespace; the others of the table become requests. */
  const later = (part, name) => ({ [name]: async (a, b, c, d) => part[name](a, b, c, d) })[name];
  const local = {
    events,
    cms: {
      renderElement: later(cms, 'renderElement'), renderTemplate: cms.renderTemplate,
      getContentElement: later(elements, 'getContentElement'), getContentElements: later(elements, 'getContentElements'),
      listContentElements: later(elements, 'listContentElements'), getAllContentTypes: later(elements, 'getAllContentTypes'),
      getFilePath: (botId, fileName) =>
        `/api/v1/bots/${given('cms.getFilePath', 'botId', botId)}/media/${encodeURIComponent(given('cms.getFilePath', 'fileName', fileName))}`,
    },
    dialog: {
      createId(destination) {
        const to = destinationOf(destination, 'dialog.createId', PERSON);
        const target = to.target.includes('::') ? segment(to.target) : to.target;
        return to.threadId ? `${to.channel}::${target}::${to.threadId}` : `${to.channel}::${target}`;
      },
      async jumpTo(sessionId, event, flow, node) {
        given('dialog.jumpTo', 'sessionId', sessionId);
        if (!isRecord(event) || !isRecord(event.state)) {
          throw new TypeError(`bp.dialog.jumpTo: "event" must be an incoming event, got ${kindOf(event)}`);
        }
        if (node !== undefined && node !== null) given('dialog.jumpTo', 'node', node);
        dialog.jump(event, given('dialog.jumpTo', 'flow', flow), node);
      },
      async processEvent(sessionId, event) {
        given('dialog.processEvent', 'sessionId', sessionId);
        if (!at.current.event || event !== at.current.event) {
          throw new TypeError('bp.dialog.processEvent: "event" must be the incoming event at work; send another one with bp.events.sendEvent');
        }
        await new Promise((resolve, reject) => { asking.push({ resolve, reject, at: new Error() }); host.askForDialog(); });
        return event;
      },
    },
    kvs: {
      getConversationStorageKey: (sessionId, name) =>
        `storage/conversation/${given('kvs.getConversationStorageKey', 'sessionId', sessionId)}/${given('kvs.getConversationStorageKey', 'variable', name)}`,
      getUserStorageKey: (userId, name) =>
        `storage/users/${given('kvs.getUserStorageKey', 'userId', userId)}/${given('kvs.getUserStorageKey', 'variable', name)}`,
      getGlobalStorageKey: (name) => `storage/global/${given('kvs.getGlobalStorageKey', 'variable', name)}`,
      forBot: (botId) => scopedKvs(given('kvs.forBot', 'botId', botId)),
      global: () => scopedKvs('___'),
    },
    users: {},
    logger: logger(undefined, undefined),
  };
  /** Scripts that have asked for the dialog engine, in the order in which they get it, and those that have it, one within
      an action of the other. */
  let asking = [], served = [];
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
    for (const member of ['get', 'set', 'delete', 'increment', 'exists', 'setStorageWithExpiry', 'getStorageWithExpiry']) {
      scoped[member] = (...args) => namespaces.kvs[member](botId, ...args);
    }
    for (const member of ['removeStorageKeysStartingWith', 'getConversationStorageKey', 'getUserStorageKey', 'getGlobalStorageKey']) {
      scoped[member] = namespaces.kvs[member];
    }
    return scoped;
  }
  /** The files of a bot: bytes go over the wall as base64. */
  function media(cms) {
    const { saveFile, readFile } = cms;
    const { toBase64 } = Uint8Array.prototype, { fromBase64 } = Uint8Array;
    const buffer = () => base.bundled('buffer').Buffer;
    const bytesOf = (content) => {
      if (typeof content === 'string') return buffer().from(content);
      if (content instanceof ArrayBuffer) return new Uint8Array(content);
      if (ArrayBuffer.isView(content)) return new Uint8Array(content.buffer, content.byteOffset, content.byteLength);
      throw new TypeError(`bp.cms.saveFile: "content" must be a Buffer, got ${kindOf(content)}`);
    };
    assign(cms, {
      async saveFile(botId, fileName, content) { return saveFile(botId, fileName, toBase64.call(bytesOf(content))); },
      async readFile(botId, fileName) { return buffer().from(fromBase64.call(Uint8Array, await readFile(botId, fileName)).buffer); },
    });
  }
  const bots = namespaces.bots;
  if (bots && bots.getAllBots) {
    const list = bots.getAllBots;
    bots.getAllBots = { getAllBots: async () => new Map(Object.entries(await list())) }.getAllBots;
  }
  media(namespaces.cms);
  if (namespaces.realtime) namespaces.realtime.sendPayload = realtime.sendPayload;
  for (const namespace of Object.values(namespaces)) {
    for (const member of Object.values(namespace)) if (typeof member === 'function') base.shared(member);
    freeze(namespace);
  }
  // A literal: one allocation with a known shape, where a spread would copy property by property for every event.
  const makeBp = new Function('v', 'n', `return () => ({ version: v.version, IO: v.IO, LoggerLevel: v.LoggerLevel,
    LogLevel: v.LogLevel, NodeActionType: v.NodeActionType, RealTimePayload: v.RealTimePayload, ${Object.keys(namespaces).map((name) => `${name}: n.${name}`).join(', ')} })`,
  )({ version: host.version, IO, LoggerLevel, LogLevel, NodeActionType, RealTimePayload: realtime.RealTimePayload }, namespaces);

  /** The same one for all events, where every script only reads it. */
  let sharedBp;

  // ---- one event ----------------------------------------------------------------------------------------------------
  function stateOf(state) {
    // `bot` is whatever scripts keep under `global`; the others are objects, or hooks would fail for ever after.
    if (!isRecord(state.user)) state.user = {};
    if (!isRecord(state.session)) state.session = {};
    if (!isRecord(state.temp)) state.temp = {};
    if (!isRecord(state.context)) state.context = {};
    if (!isRecord(state.bot)) state.bot = {};
    if (!Array.isArray(state.session.lastMessages)) state.session.lastMessages = [];
    return state;
  }
  // One object for all that come: making it anew costs more than half of what an event's own objects do.
  const current = { event: null, bp: null, attributes: '{}', outgoingHooks: null, address: undefined, wantEvent: false };
  function come(event, attributes, outgoingHooks, wantEvent) {
    current.event = event;
    current.bp = sharedBp || makeBp();
    current.attributes = attributes;
    current.outgoingHooks = outgoingHooks;
    current.address = undefined;
    current.wantEvent = wantEvent;
    at.current = current;
  }
  const textOf = (value) => {
    const text = host.json(plain, value);
    return text === undefined ? stringify(value) : text;
  };

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
    if (why === undefined) return text === undefined ? 'null' : wellFormed(text);
    host.log('error', `${name} is not stored and stays as it was: ${why}`.toWellFormed(), '');
    return undefined;
  }

  function member(members, state, part) {
    const value = state[part];
    let text = isRecord(value) ? host.json(plain, value) : undefined;
    if (text === undefined) text = value === undefined || value === null ? '{}' : stored(`event.state.${part}`, value, true);
    if (text !== undefined) members.push(`"${part}":${text}`);
  }
  /** The attributes of a user that are not what they were. */
  function changed(members, user, before) {
    const all = [];
    for (const key of Object.keys(user)) {
      const value = user[key], text = value === undefined || value === null ? 'null' : stored(`event.state.user.${key}`, value, false);
      if (text !== undefined && (!Object.hasOwn(before, key) || stringify(before[key]) !== text)) all.push(`${stringify(key.toWellFormed())}:${text}`);
    }
    for (const key of Object.keys(before)) if (!Object.hasOwn(user, key)) all.push(`${stringify(key)}:null`);
    if (all.length !== 0) members.push(`"user":{${all.join(',')}}`);
  }

  // The answers of `pass`, by their number in `engine/run/stages.rs`.
  const PAUSED = 0, SUGGESTED = 1, SKIPPED = 2, SKIPPED_KEPT = 3, JUMPED = 4, STAYS = 5;
  // The engine knows how objects are laid out only while there are such objects, and finds the place of each further property
  // faster where it knows it: so one of each stage is kept, from the first property to the last.
  const kept = base.kept = [];
  function keepShapesOf(object) {
    const prototype = Object.getPrototypeOf(object), keys = Object.keys(object);
    for (let length = 1; length <= keys.length; length++) {
      const part = Object.create(prototype);
      for (let i = 0; i < length; i++) Object.defineProperty(part, keys[i], { value: undefined, writable: true, enumerable: true, configurable: true });
      kept.push(part);
    }
  }
  {
    const state = { user: {}, session: {}, temp: {}, context: {}, bot: {} };
    const args = { id: '', type: 'a', channel: 'a', target: 'a', botId: 'a', threadId: '', direction: 'incoming', payload: {}, createdOn: 0 };
    const sample = fill(Object.create(Event.prototype), args, '', stateOf(state));
    decision.elect(sample);
    for (const object of [
      sample, sample.nlu, sample.nlu.intent, sample.state, sample.decision, sample.decision.decision, args, makeBp(), outgoing.sample(),
    ]) keepShapesOf(object);
  }

  const decisionOptions = freeze({ minimumConfidence: host.minimumConfidence, repeatWindow: host.repeatWindow });

  return {
    /** Starts an event from its work; `copy` is what `snapshot` made where an earlier realm was given up. Gives whether a
     *  caller waits for the replies. */
    begin(work, copy, outgoingHooks) {
      const attributes = textOf(work.state.user);
      let event;
      if (copy === undefined) {
        event = fill(Object.create(Event.prototype), work.event, work.event.id, stateOf(work.state));
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
      come(event, attributes, outgoingHooks, work.wantEvent === true);
      return work.waited === true;
    },
    /** Starts work that is no event: `bp` and nothing else. */
    beginBare(outgoingHooks) {
      come(null, '{}', outgoingHooks, false);
    },
    /** A bot's program is there; `shared`: its scripts only read `bp`. */
    loaded(shared) {
      env.loaded();
      sharedBp = shared ? freeze(makeBp()) : undefined;
    },
    runHook,
    answered,
    fetched,
    fire(id) {
      if (!outgoing.fire(id)) base.fire(id);
    },
    describe: base.describe,

    /** What lies between the hooks around the middleware and the dialog where no other hooks do, all at once: the ranking and
     *  the election, whether the dialog is skipped, and before all that, where it was not asked yet, whether the event is paused. */
    pass(mayBePaused) {
      const { event } = at.current;
      if (mayBePaused && event.isPause) return PAUSED;
      if (!Array.isArray(event.suggestions)) event.suggestions = [];
      // One that is to be sent takes its steps, one by one.
      if (event.suggestions.length !== 0) return SUGGESTED;
      decision.elect(event);
      if (event.hasFlag(SKIP_DIALOG)) return event.hasFlag(FORCE_PERSIST) ? SKIPPED_KEPT : SKIPPED;
      return dialog.hasJumped() ? JUMPED : STAYS;
    },
    isPaused: () => !!at.current.event.isPause,
    skipsDialog: () => at.current.event.hasFlag(SKIP_DIALOG),
    /** Ranks the suggestions; true where there is anything to elect. */
    rank() {
      const { event } = at.current;
      if (!Array.isArray(event.suggestions)) event.suggestions = [];
      if (event.suggestions.length !== 0) decision.rank(event, decisionOptions);
      return event.suggestions.length !== 0;
    },
    /** Sends the elected suggestion: undefined where there is none, else { redirect? , reason }. */
    elect() {
      const event = at.current.event;
      const elected = decision.elect(event);
      if (!elected) return undefined;
      const { payloads, redirect } = elected;
      decision.sent(event);
      if (redirect && !event.hasFlag(SKIP_DIALOG)) dialog.jump(event, redirect.flow, redirect.node);
      const sending = answer(event, payloads);
      return [Promise.resolve(sending), redirect ? stringify(redirect) : undefined];
    },
    decisionReason() {
      const made = at.current.event.decision;
      return made && made.decision ? String(made.decision.reason).toWellFormed() : '';
    },
    /** Whether state goes back although the dialog was skipped. */
    forcesPersist: () => at.current.event.hasFlag(FORCE_PERSIST),
    /** What goes into the store: `all` of the state, or only `session` and user. */
    stateChange(withContext) {
      const { event, attributes } = at.current, { state } = event;
      if (!isRecord(state)) {
        stored('event.state', state, true);
        return '{}';
      }
      const session = state.session;
      if (isRecord(session) && Array.isArray(session.lastMessages) && session.lastMessages.length > 5) session.lastMessages = session.lastMessages.slice(-5);
      const members = [];
      member(members, state, 'session');
      if (withContext) {
        member(members, state, 'temp');
        member(members, state, 'context');
      }
      const user = state.user === undefined || state.user === null ? {} : state.user;
      if (!isRecord(user)) stored('event.state.user', user, true);
      // Most events leave the user as it was.
      else if (host.json(plain, user) !== attributes) changed(members, user, parse(attributes));
      return `{${members.join(',')}}`;
    },
    wantsEvent: () => at.current.wantEvent,
    /** The event as `/converse/…/secured` shows it. */
    eventView() {
      const { nlu, suggestions, state, decision, credentials } = at.current.event;
      const view = { nlu, suggestions, state: state && { user: state.user, context: state.context, session: state.session, temp: state.temp }, decision, credentials };
      return wellFormed(stringify(view));
    },
    /** The event as JSON, to go on with in a fresh realm. */
    snapshot() {
      const { event } = at.current;
      const flags = Object.getOwnPropertySymbols(event.flags || {}).filter((flag) => event.flags[flag]).map((flag) => symbolKey(flag) || flag.description || '');
      const saved = { event, flags };
      return wellFormed(stringify(saved));
    },
    invokeView() {
      const { event } = at.current;
      const flags = Object.getOwnPropertySymbols(event.flags || {}).filter((flag) => event.flags[flag]).map((flag) => flag.description || '');
      const view = { flags, state: event.state, event };
      return wellFormed(stringify(view));
    },
    /** The script that asked first gets the dialog engine. */
    serve() {
      served.push(asking.shift());
    },
    /** The dialog engine has run for it; or it has not, and why. */
    processed(refused) {
      const { resolve, reject, at } = served.pop();
      at.message = `bp.dialog.processEvent: ${refused}`;
      if (refused === '') resolve();
      else reject(at);
    },
    /** Loads what the first event that needs it would. */
    warm() {
      cms.renderTemplate('{{a}}', { a: '' });
    },
    /** Gives null where something cannot be removed, else whether something may have been added to the global object by what
     *  is no script. */
    scrub() {
      if (asking.length !== 0 || served.length !== 0) {
        asking = [];
        served = [];
      }
      at.current = null;
      current.event = current.bp = current.address = null;
      requests.scrub();
      env.scrub();
      outgoing.scrub();
      return base.scrub() ? dialog.doubt() : null;
    },
  };
})
