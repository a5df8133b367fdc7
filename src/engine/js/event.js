// The event object as scripts see it: what `bp.IO.Event` makes, and the lighter one of a reply.
(function (host) {
  'use strict';
  const { freeze, assign } = Object;
  const symbolFor = Symbol.for;

  const WellKnownFlags = freeze({
    SKIP_DIALOG_ENGINE: symbolFor('skipDialogEngine'),
    SKIP_QNA_PROCESSING: symbolFor('avoidQnaProcessing'),
    SKIP_NATIVE_NLU: symbolFor('skipNativeNLU'),
    FORCE_PERSIST_STATE: symbolFor('forcePersistState'),
  });

  const defaultNlu = () => ({
    entities: [], language: 'n/a', slots: {}, intent: { name: 'none', confidence: 1, context: 'global' }, intents: [],
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
    fill(this, args, args.id === undefined ? host.eventId() : String(args.id), {});
  }
  freeze(Event);
  assign(Event.prototype, {
    setFlag(flag, value) {
      if (typeof flag !== 'symbol') throw new TypeError(`event.setFlag: "flag" must be a symbol such as bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, got ${kindOf(flag)}`);
      const on = !!value;
      this.flags[flag] = on;
      if (host.trace) host.flag(`${on ? '' : '!'}${(flag.description || 'unnamed').slice(0, 100)}`.toWellFormed());
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
  const outgoingPrototype = Object.create(Event.prototype, {
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
  freeze(Event.prototype);
  freeze(outgoingPrototype);

  function fill(event, args, id, state) {
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
    event.nlu = args.nlu ? assign(defaultNlu(), args.nlu) : defaultNlu();
    event.state = state;
    return event;
  }

  function kindOf(value) {
    if (value === null || value === undefined) return String(value);
    if (value === '') return 'an empty string';
    return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
  }

  return { Event, outgoingPrototype, WellKnownFlags, fill, kindOf, previewOf };
})
