// Requests to the server and their answers, and text that may leave the realm.
(function (host, event) {
  'use strict';
  const { parse, stringify } = JSON;
  const { kindOf } = event;

  let pending = new Map();

  const request = (method, args) => asked(() => host.request(method, textOf(method, args)));
  /** What `send` asks for, giving its number. */
  function asked(send) {
    // The rejection will come from the server, which has no stack: keep the script's own.
    const at = new Error();
    return new Promise((resolve, reject) => { pending.set(send(), { resolve, reject, at }); });
  }
  /** The arguments of a request as JSON; what JSON cannot hold is named beside them. */
  function textOf(method, args) {
    let not, text;
    for (let i = 0; i < args.length; i++) {
      const type = typeof args[i];
      if (type === 'undefined' || type === 'function' || type === 'symbol') (not || (not = {}))[i] = kindOf(args[i]);
    }
    try {
      text = wellFormed(stringify(args));
    } catch (error) {
      if (error instanceof TypeError) error.message = `bp.${method}: the arguments cannot be written as JSON: ${error.message}`;
      throw error;
    }
    return not === undefined ? text : `{"args":${text},"not":${stringify(not)}}`;
  }
  function answered(number, fine, text) {
    const waiting = pending.get(number);
    if (!waiting) return;
    pending.delete(number);
    const value = text === '' ? undefined : parse(text);
    if (fine) {
      waiting.resolve(value);
      return;
    }
    const { at } = waiting;
    if (typeof value === 'string') {
      at.message = value;
    } else {
      // As in Node, where the cause has the code; and where scripts of older libraries look for it.
      at.message = value.message;
      at.code = value.code;
      at.cause = { code: value.code, message: value.message };
    }
    waiting.reject(at);
  }

  /** A call of another server, with a text or with bytes as base64; gives its number. A rejection is `at`, with what went wrong. */
  function fetch(head, body, binary, at, resolve, reject) {
    const number = body === undefined ? host.fetch(head) : host.fetch(head, body, binary);
    pending.set(number, { resolve, reject, at });
    return number;
  }
  function fetched(number, head, body) {
    const waiting = pending.get(number);
    if (!waiting) return;
    pending.delete(number);
    waiting.resolve(parse(head), body);
  }
  function abandon(number) {
    if (pending.delete(number)) host.abandon(number);
  }

  /** JSON text that holds no lone surrogate: the server keeps text as UTF-8. */
  function wellFormed(text) {
    return text !== undefined && text.includes('\\ud') ? stringify(withoutLoneSurrogates(parse(text))) : text;
  }
  function withoutLoneSurrogates(value) {
    if (typeof value === 'string') return value.toWellFormed();
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return value.map(withoutLoneSurrogates);
    const clean = { __proto__: null };
    for (const key of Object.keys(value)) clean[key.toWellFormed()] = withoutLoneSurrogates(value[key]);
    return clean;
  }

  return { request, asked, answered, fetch, fetched, abandon, wellFormed, scrub: () => { if (pending.size) pending = new Map(); } };
})
