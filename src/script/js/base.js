// What every realm has before a script runs: console, timers, require, frozen intrinsics.
// Evaluated once per realm as a strict function; it captures what it needs before anything of a user's runs.
// `host` holds functions that the engine provides. Nothing here knows of bots.
(function (host) {
  'use strict';
  const { ownKeys, getOwnPropertyDescriptor, defineProperty, deleteProperty } = Reflect;
  const { freeze, getPrototypeOf, hasOwn, isExtensible, create } = Object;
  const stringify = JSON.stringify;
  const global = globalThis;
  // The engine's own would go on alike in all processes that are forked from one.
  defineProperty(Math, 'random', { value: host.random, writable: true, enumerable: false, configurable: true });

  // ---- console ------------------------------------------------------------------------------------------------------
  // The limits keep one careless console.log(event) from costing more than the hook itself.
  const MAX_DEPTH = 4, MAX_ITEMS = 100, MAX_TEXT = 10000;

  function quote(text) {
    return "'" + text.replace(/[\\'\n\r\t]/g, (c) => (c === '\n' ? '\\n' : c === '\r' ? '\\r' : c === '\t' ? '\\t' : '\\' + c)) + "'";
  }

  function inspect(value, depth, seen) {
    switch (typeof value) {
      case 'string': return quote(value.length > MAX_TEXT ? value.slice(0, MAX_TEXT) + '…' : value);
      case 'bigint': return value + 'n';
      case 'symbol': return value.toString();
      case 'function': return value.name ? `[Function: ${value.name}]` : '[Function (anonymous)]';
      case 'object': break;
      default: return String(value);
    }
    if (value === null) return 'null';
    if (seen.includes(value)) return '[Circular]';
    if (value instanceof Error) return errorText(value);
    if (value instanceof Date) return isNaN(value) ? 'Invalid Date' : value.toISOString();
    if (value instanceof RegExp) return String(value);
    if (value instanceof Promise) return 'Promise { … }';
    const name = className(value), held = shown(value);
    if (held !== undefined) return `${name} ${inspect(held, depth, seen)}`;
    if (depth > MAX_DEPTH) return Array.isArray(value) ? '[Array]' : `[${name || 'Object'}]`;
    seen.push(value);
    const parts = [];
    let open = '{', close = '}';
    if (Array.isArray(value) || ArrayBuffer.isView(value)) {
      open = '['; close = ']';
      const length = value.length >>> 0;
      for (let i = 0; i < length && i < MAX_ITEMS; i++) parts.push(inspect(value[i], depth + 1, seen));
      if (length > MAX_ITEMS) parts.push(`… ${length - MAX_ITEMS} more`);
    } else if (value instanceof Map) {
      for (const [k, v] of value) {
        if (parts.length === MAX_ITEMS) { parts.push('…'); break; }
        parts.push(`${inspect(k, depth + 1, seen)} => ${inspect(v, depth + 1, seen)}`);
      }
    } else if (value instanceof Set) {
      for (const v of value) {
        if (parts.length === MAX_ITEMS) { parts.push('…'); break; }
        parts.push(inspect(v, depth + 1, seen));
      }
    } else {
      for (const key of ownKeys(value)) {
        if (parts.length === MAX_ITEMS) { parts.push('…'); break; }
        const property = getOwnPropertyDescriptor(value, key);
        if (!property || !property.enumerable) continue;
        const label = typeof key === 'symbol' ? `[${key.toString()}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key);
        parts.push(`${label}: ${property.get ? '[Getter]' : inspect(property.value, depth + 1, seen)}`);
      }
    }
    seen.pop();
    const prefix = name && name !== 'Object' && name !== 'Array' ? name + ' ' : '';
    if (parts.length === 0) return prefix + open + close;
    const oneLine = `${prefix}${open} ${parts.join(', ')} ${close}`;
    if (oneLine.length <= 100 && !oneLine.includes('\n')) return open === '[' ? `${prefix}[ ${parts.join(', ')} ]` : oneLine;
    const pad = '  '.repeat(depth + 1);
    return `${prefix}${open}\n${pad}${parts.join(',\n' + pad)}\n${'  '.repeat(depth)}${close}`;
  }

  function className(value) {
    const prototype = getPrototypeOf(value);
    if (prototype === null) return '[Object: null prototype]';
    const maker = prototype.constructor;
    return typeof maker === 'function' ? maker.name : '';
  }

  function errorText(error) {
    const head = `${error.name}: ${error.message}`;
    // Where our own parts call each other helps nobody.
    const ours = (line) => line.includes('(nudge:') || line.includes('(native)');
    const stack = typeof error.stack === 'string' ? error.stack.trimEnd().split('\n').filter((line) => !ours(line)).join('\n') : '';
    return stack ? `${head}\n${stack}` : head;
  }

  function format(args) {
    let start = 0, text = '';
    if (typeof args[0] === 'string') {
      start = 1;
      text = args[0].replace(/%[sdifjoOc%]/g, (code) => {
        if (code === '%%') return '%';
        if (start >= args.length) return code;
        const value = args[start++];
        switch (code) {
          case '%s': return typeof value === 'string' ? value : inspect(value, 0, []);
          case '%d': return String(Number(value));
          case '%i': return String(parseInt(value, 10));
          case '%f': return String(parseFloat(value));
          case '%j': return String(stringify(value));
          case '%c': return '';
          default: return inspect(value, 0, []);
        }
      });
      if (args.length > start) text += ' ';
    }
    for (let i = start; i < args.length; i++) {
      if (i > start) text += ' ';
      text += typeof args[i] === 'string' ? args[i] : inspect(args[i], 0, []);
    }
    return text.length > MAX_TEXT * 2 ? text.slice(0, MAX_TEXT * 2) + '…' : text;
  }

  /** The stack of whoever calls; a script may have replaced what makes it. */
  function stackHere() {
    const { stack } = new Error();
    return typeof stack === 'string' ? stack.toWellFormed() : '';
  }
  function write(level, text) {
    host.log(level, text.toWellFormed(), stackHere());
  }

  let clocks = new Map(), counts = new Map(), indent = '';
  const line = (level) => (...args) => write(level, indent + format(args));
  const console = freeze({
    log: line('info'), info: line('info'), warn: line('warn'), error: line('error'), debug: line('debug'),
    trace: line('debug'),
    dir: (value) => write('info', indent + inspect(value, 0, [])),
    table: (value) => write('info', indent + inspect(value, 0, [])),
    assert: (fine, ...args) => { if (!fine) write('error', 'Assertion failed' + (args.length ? ': ' + format(args) : '')); },
    time: (label = 'default') => { clocks.set(String(label), host.now()); },
    timeLog: (label = 'default') => write('info', `${label}: ${elapsed(label)}`),
    timeEnd: (label = 'default') => { write('info', `${label}: ${elapsed(label)}`); clocks.delete(String(label)); },
    count: (label = 'default') => { const n = (counts.get(label) || 0) + 1; counts.set(label, n); write('info', `${label}: ${n}`); },
    group: (...args) => { if (args.length) write('info', indent + format(args)); indent += '  '; },
    groupEnd: () => { indent = indent.slice(2); },
  });
  function elapsed(label) {
    const begun = clocks.get(String(label));
    return begun === undefined ? 'no such timer' : (host.now() - begun).toFixed(3) + 'ms';
  }

  // ---- timers -------------------------------------------------------------------------------------------------------
  let timers = new Map();

  function addTimer(callback, delay, args, repeat) {
    if (typeof callback !== 'function') throw new TypeError('the first argument of a timer must be a function, got ' + typeof callback);
    let wait = Number(delay);
    wait = wait >= 1 && wait <= 2147483647 ? Math.trunc(wait) : 1;
    const id = host.timer(wait, -1);
    timers.set(id, { callback, args, every: repeat ? wait : -1 });
    return id;
  }
  function clearTimer(id) {
    const number = Number(id);
    if (timers.delete(number)) host.clearTimer(number);
  }
  function fire(id) {
    const timer = timers.get(id);
    if (!timer) return;
    if (timer.every < 0) timers.delete(id);
    else host.timer(timer.every, id);
    timer.callback.apply(undefined, timer.args);
  }

  // ---- require ------------------------------------------------------------------------------------------------------
  // One cache per realm, as in Node: a module that is required while it still loads gives what it has exported so far.
  let modules = new Map();

  function load(index) {
    let module = modules.get(index);
    if (module) return module.exports;
    const script = host.module(index);
    if (typeof script.json === 'string') {
      module = { exports: JSON.parse(script.json), loaded: true };
      modules.set(index, module);
      return module.exports;
    }
    module = { exports: {}, id: script.path, filename: script.path, loaded: false, children: [], paths: [] };
    modules.set(index, module);
    try {
      script.run.call(module.exports, module, module.exports, requireFrom(index), script.path, dirname(script.path));
      module.loaded = true;
    } catch (error) {
      modules.delete(index);
      throw error;
    }
    return module.exports;
  }
  function dirname(path) {
    const slash = path.lastIndexOf('/');
    return slash < 0 ? '.' : path.slice(0, slash);
  }
  function requireFrom(index) {
    const require = (name) => {
      if (typeof name !== 'string' || name === '') {
        throw new TypeError(`require: "id" must be a string that is not empty, got ${name === '' ? 'an empty string' : typeof name}`);
      }
      const found = host.resolve(index, name.toWellFormed());
      if (typeof found === 'number') return load(found);
      if (found.bundled === undefined) throw notFound(found.message);
      const whole = bundled(found.bundled);
      if (typeof found.member !== 'string') return whole;
      if (hasOwn(whole, found.member)) return whole[found.member];
      throw notFound(`Cannot find module '${name}': ${found.bundled} has no function of that name; its other files are there after \`npm install ${found.bundled}\` in the workspace's folder`);
    };
    require.resolve = freeze((name) => {
      const found = host.resolve(index, String(name).toWellFormed());
      return typeof found === 'number' ? host.modulePath(found) : name;
    });
    // It is the same one for every event.
    return freeze(require);
  }
  function notFound(message) {
    const error = new Error(message);
    error.code = 'MODULE_NOT_FOUND';
    return error;
  }
  const bundles = new Map();
  let loading = false;
  function bundled(name) {
    let module = bundles.get(name);
    if (!module) {
      module = { exports: {} };
      const [run, fit] = host.bundled(name);
      // lodash asks for the global `_` while it is loaded, which is lodash.
      bundles.set(name, module);
      const outer = loading;
      loading = true;
      try {
        run.call(module.exports, module, module.exports, (inner) => bundled(inner));
        if (fit) fit(module.exports);
      } catch (error) {
        // A stack that was too deep, for instance: who asks again gets it whole.
        bundles.delete(name);
        throw error;
      } finally {
        loading = outer;
      }
    }
    return module.exports;
  }

  // ---- errors -------------------------------------------------------------------------------------------------------
  // Whatever was thrown, as plain strings. Getters of a hostile error run here, under the deadline of the caller.
  function describe(thrown) {
    let name = 'Error', message = '', stack = '';
    try {
      if (thrown !== null && (typeof thrown === 'object' || typeof thrown === 'function')) {
        const s = thrown.stack;
        stack = typeof s === 'string' ? s : '';
        const n = thrown.name, m = thrown.message;
        name = typeof n === 'string' ? n : 'Error';
        message = typeof m === 'string' ? m : m === undefined ? inspect(thrown, 0, []) : String(m);
      } else {
        name = 'Uncaught';
        message = typeof thrown === 'string' ? thrown : inspect(thrown, 0, []);
      }
    } catch {
      message = message || 'an error whose message cannot be read';
    }
    // A function's name may be longer than all the rest, and the place stands behind it.
    if (stack.length > 8000) stack = stack.split('\n').map((line) => (line.length > 500 ? '    at ' + line.slice(-400) : line)).join('\n');
    const cut = (text, length) => (text.length > length ? text.slice(0, length) + '…' : text).toWellFormed();
    return stringify([cut(name, 200), cut(message, 2000), cut(stack, 8000)]);
  }

  // ---- globals ------------------------------------------------------------------------------------------------------
  const process = host.process();
  freeze(process.env);
  const tidy = {
    console,
    setTimeout: (callback, delay, ...args) => addTimer(callback, delay, args, false),
    setInterval: (callback, delay, ...args) => addTimer(callback, delay, args, true),
    setImmediate: (callback, ...args) => addTimer(callback, 0, args, false),
    clearTimeout: clearTimer, clearInterval: clearTimer, clearImmediate: clearTimer,
    printObject: (value) => write('info', inspect(value, 0, [])),
    process,
    global,
  };
  for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate', 'printObject']) {
    defineProperty(tidy[name], 'name', { value: name });
  }
  for (const name of ownKeys(tidy)) {
    defineProperty(global, name, { value: tidy[name], writable: true, enumerable: false, configurable: true });
  }
  // Content types use `_` without requiring it.
  lazily('_', () => bundled('lodash'));
  // lodash asks for it while it is loaded, and would have each realm that uses lodash load this, too.
  lazily('Buffer', () => (loading ? undefined : bundled('buffer').Buffer));
  for (const [name, of] of host.webGlobals) lazily(name, () => part(of)[name]);

  // No shared memory and no waiting in native code; a finalizer would run in somebody else's event.
  for (const name of ['SharedArrayBuffer', 'Atomics', 'FinalizationRegistry']) deleteProperty(global, name);

  // ---- globals that are made when a script first touches them -------------------------------------------------------
  // A realm that does not pays next to nothing for them.
  function lazily(name, make) {
    defineProperty(global, name, { get: freeze(make), enumerable: false, configurable: false });
  }
  const parts = new Map();
  /** What the files in `web/` use: other parts, one if it was made already, timers; and the way to the server. */
  const web = {
    part, made: (name) => parts.get(name),
    setTimer: (callback, delay) => addTimer(callback, delay, [], false), clearTimer,
    wire: undefined,
  };
  function part(name) {
    let made = parts.get(name);
    if (!made) {
      made = host.webPart(name)(host, web);
      for (const key of ownKeys(made)) if (typeof made[key] === 'function') harden(made[key]);
      parts.set(name, freeze(made));
      if (made.views) views.push(...made.views);
    }
    return made;
  }
  /** What is written to the log of an object that keeps all it holds to itself, by its class. */
  const views = [];
  function shown(value) {
    for (const [maker, view] of views) {
      if (!(value instanceof maker)) continue;
      try { return view(value); } catch { return undefined; }
    }
    return undefined;
  }
  /** Freezes a class of ours, or a function, with all that a script could reach of it. */
  function harden(value) {
    const { prototype } = value;
    if (typeof prototype === 'object' && prototype !== null) repair(prototype, ['toString', 'constructor']);
    for (const container of prototype ? [value, prototype] : [value]) {
      for (const key of ownKeys(container)) {
        const property = getOwnPropertyDescriptor(container, key);
        for (const method of [property.value, property.get, property.set]) if (typeof method === 'function') freeze(method);
      }
      freeze(container);
    }
  }

  // ---- frozen intrinsics --------------------------------------------------------------------------------------------
  // What an event changes must not be there for the next one. Plain gets of containers and methods; a full walk over
  // descriptors costs ten times as much and finds only accessor functions besides.
  function repair(prototype, keys) {
    // The override mistake: without this, `child.toString = …` fails where the prototype is frozen.
    for (const key of keys) {
      const property = getOwnPropertyDescriptor(prototype, key);
      if (!property || property.get || !property.configurable) continue;
      const value = property.value;
      if (typeof value === 'function') freeze(value);
      defineProperty(prototype, key, {
        get: freeze(function () { return value; }),
        set: freeze(function (replacement) {
          if (this === prototype) return;
          defineProperty(this, key, { value: replacement, writable: true, enumerable: true, configurable: true });
        }),
        enumerable: property.enumerable,
        configurable: false,
      });
    }
  }
  function freezeAll(container) {
    for (const key of ownKeys(container)) {
      let value;
      try { value = container[key]; } catch { continue; }
      if (typeof value === 'function') freeze(value);
    }
    freeze(container);
  }

  function seal() {
    const iterators = [
      [][Symbol.iterator](), new Map()[Symbol.iterator](), new Set()[Symbol.iterator](), ''[Symbol.iterator](), 'a'.matchAll(/a/g),
    ].map(getPrototypeOf);
    const makers = [
      function* () {}, async function () {}, async function* () {},
    ].map((f) => getPrototypeOf(f));
    // Helpers of iterators have prototypes of their own that no global names.
    iterators.push(getPrototypeOf([].values().map((x) => x)), getPrototypeOf(Iterator.from({ next() {} })));
    if (Iterator.concat) iterators.push(getPrototypeOf(Iterator.concat([])));
    const containers = new Set([...iterators, ...iterators.map(getPrototypeOf)]);
    for (const maker of makers) {
      containers.add(maker);
      if (maker.prototype) { containers.add(maker.prototype); containers.add(getPrototypeOf(maker.prototype)); }
      containers.add(maker.constructor);
    }
    containers.add(getPrototypeOf(Uint8Array));
    containers.add(getPrototypeOf(Uint8Array.prototype));
    const common = ['toString', 'toLocaleString', 'valueOf', 'constructor'];
    for (const name of ownKeys(global)) {
      const { value } = getOwnPropertyDescriptor(global, name);
      if (value === global || value === null) continue;
      if (typeof value === 'function') {
        const prototype = value.prototype;
        if (prototype !== null && typeof prototype === 'object') {
          repair(prototype, prototype instanceof Error || prototype === Error.prototype ? [...common, 'name', 'message'] : common);
          containers.add(prototype);
        }
        containers.add(value);
      } else if (typeof value === 'object') {
        containers.add(value);
      }
    }
    repair(Promise.prototype, ['then', 'catch', 'finally']);
    // Its type is function, not object. Libraries such as lodash are functions with functions of these names on them.
    repair(Function.prototype, [...common, 'bind']);
    for (const container of containers) freezeAll(container);
    for (const name of ownKeys(global)) {
      const property = getOwnPropertyDescriptor(global, name);
      if (property && property.configurable && !property.get) {
        defineProperty(global, name, { writable: false, configurable: false });
      }
    }
  }

  let baseline = null, marked = modules;
  function deleteAdded() {
    for (const key of ownKeys(global)) if (!baseline.has(key) && !deleteProperty(global, key)) return false;
    return true;
  }
  const ancestor = getPrototypeOf(global), traceLimit = Error.stackTraceLimit;

  return {
    describe,
    stackHere,
    fire,
    load,
    requireFrom,
    bundled,
    part,
    /** Remembers which modules are loaded; `back` gives those that were loaded later up. */
    mark() { marked = new Map(modules); },
    back() {
      modules = marked;
      loading = false;
      deleteAdded();
    },
    /** Keeps what modules have put on the global object while a process was made ready that others are forked from. */
    keep() {
      for (const name of ownKeys(global)) {
        if (baseline.has(name)) continue;
        const property = getOwnPropertyDescriptor(global, name);
        if (property.configurable) defineProperty(global, name, property.get || property.set ? { configurable: false } : { writable: false, configurable: false });
        baseline.add(name);
      }
    },
    /** At least so many bytes more may be made from here on before the engine collects by itself: it goes by how much is in use
     *  when it does so, and it looks whenever an object is made. */
    spare(bytes) {
      const held = new ArrayBuffer(bytes);
      return [held.byteLength].length;
    },
    /** So many kinds of objects and names more may be made from here on before the engine's tables of them have to grow: it
     *  goes through all there are when they do, and each forked process would have them to itself. */
    room(count) {
      const held = [];
      for (let i = 0; i < count; i++) held.push(create(create(null, { [`nudge:${i}`]: { value: i } })));
      return held.length;
    },
    /** A package for the engine's own use: another instance than that which scripts get by `require`. */
    own(name) {
      const module = { exports: {} };
      host.bundled(name)[0].call(module.exports, module, module.exports, undefined);
      return module.exports;
    },
    /** Says by what `fetch` reaches the server: `{ fetch, abandon }`. */
    connect(wire) { web.wire = wire; },
    inspect: (value) => inspect(value, 0, []),
    format,
    dirname,
    /** A function of a script that is called for one event after the other: what a script could reach of it is frozen. */
    shared(run) {
      if (run.prototype) freeze(run.prototype);
      return freeze(run);
    },
    /** Freezes what is there; called once, after the parts above this one are made. */
    seal() {
      seal();
      baseline = new Set(ownKeys(global));
    },
    /** Removes what was added to the global object; false where that cannot be removed. */
    deleteAdded,
    /** Removes what an event left behind, less that; false where something cannot be removed. */
    scrub() {
      if (timers.size) timers = new Map();
      if (clocks.size) clocks = new Map();
      if (counts.size) counts = new Map();
      indent = '';
      // The engine keeps these beside the object, frozen or not: a function of one event would be called for the next one's errors.
      Error.prepareStackTrace = undefined;
      Error.stackTraceLimit = traceLimit;
      return getPrototypeOf(global) === ancestor && isExtensible(global);
    },
  };
})
