// Requests to the server and their answers, and text that may leave the realm.
(function (host, event) {
  'use strict';
  const { parse, stringify } = JSON;
  const { kindOf } = event;

  let pending = new Map();

  function request(method, args) {
    // The rejection will come from the server, which has no stack: keep the script's own.
    const at = new Error();
    return new Promise((resolve, reject) => {
      pending.set(host.request(method, textOf(method, args)), { resolve, reject, at });
    });
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
    } else {
      waiting.at.message = String(value);
      waiting.reject(waiting.at);
    }
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

  return { request, answered, wellFormed, scrub: () => { if (pending.size) pending = new Map(); } };
})
