// fetch, Headers, Request, Response. The server does the calling (services/fetch.rs); here is what scripts hold. Bodies are
// whole: there are no streams.
(function (host, web) {
  'use strict';
  const { parse, stringify } = JSON;
  const { utf8, decode, base64, viewOf } = web.part('text');
  const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
  /** A header's name, as it is kept. */
  function nameOf(member, name) {
    const text = String(name);
    if (!TOKEN.test(text)) throw new TypeError(`Headers.${member}: ${stringify(text.slice(0, 100))} is no name of a header`);
    return text.toLowerCase();
  }
  function valueOf(member, name, value) {
    const text = String(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
    if (/[\0\r\n]|[^\0-\xff]/.test(text)) {
      throw new TypeError(`Headers.${member}: the value of "${name}" holds a line break, or letters that a header cannot have; use encodeURIComponent`);
    }
    return text;
  }

  class Headers {
    /** Values by name in lower case. */
    #values = new Map();
    constructor(init) {
      if (init === undefined || init === null) return;
      if (typeof init !== 'object') throw new TypeError(`Headers: the argument must be an object or pairs, got ${typeof init}`);
      if (typeof init[Symbol.iterator] === 'function') {
        for (const pair of init) {
          const [name, value, ...more] = pair;
          if (value === undefined || more.length !== 0) throw new TypeError('Headers: each of the pairs must have a name and a value');
          this.append(name, value);
        }
      } else {
        for (const name of Object.keys(init)) this.append(name, init[name]);
      }
    }
    append(name, value) {
      const key = nameOf('append', name), text = valueOf('append', key, value), known = this.#values.get(key);
      if (known) known.push(text);
      else this.#values.set(key, [text]);
    }
    set(name, value) {
      const key = nameOf('set', name);
      this.#values.set(key, [valueOf('set', key, value)]);
    }
    delete(name) { this.#values.delete(nameOf('delete', name)); }
    has(name) { return this.#values.has(nameOf('has', name)); }
    get(name) {
      const known = this.#values.get(nameOf('get', name));
      return known ? known.join(', ') : null;
    }
    getSetCookie() { return (this.#values.get('set-cookie') || []).slice(); }
    #list() {
      const list = [];
      for (const key of [...this.#values.keys()].sort()) {
        const values = this.#values.get(key);
        // Cookies are the one thing that cannot be told apart once it is joined.
        if (key === 'set-cookie') for (const value of values) list.push([key, value]);
        else list.push([key, values.join(', ')]);
      }
      return list;
    }
    forEach(callback, self) { for (const [name, value] of this.#list()) callback.call(self, value, name, this); }
    keys() { return this.#list().map((pair) => pair[0]).values(); }
    values() { return this.#list().map((pair) => pair[1]).values(); }
    entries() { return this.#list().values(); }
    [Symbol.iterator]() { return this.entries(); }
    get [Symbol.toStringTag]() { return 'Headers'; }
  }

  const isText = (content) => typeof content === 'string';
  const utf8Text = (value) => String(value).toWellFormed();
  /** A body as a text or an ArrayBuffer of its own, and its type where it says one. */
  function extract(body) {
    if (body === undefined || body === null) return undefined;
    if (typeof body !== 'object') return { content: utf8Text(body), type: 'text/plain;charset=UTF-8' };
    const view = viewOf(body);
    if (view) return { content: view[0].slice(view[1], view[1] + view[2]), type: undefined };
    const url = web.made('url'), form = web.made('form');
    if (url && body instanceof url.URLSearchParams) {
      return { content: utf8Text(body), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
    }
    if (form && body instanceof form.FormData) {
      const { bytes, type } = form.multipart(body);
      return { content: bytes.buffer, type };
    }
    if (form && body instanceof form.Blob) return { content: form.bytesOf(body).buffer, type: body.type || undefined };
    if (typeof body.getReader === 'function' || typeof body.pipe === 'function' || typeof body[Symbol.asyncIterator] === 'function') {
      throw new TypeError('fetch: streams are not offered; use a text, a buffer, a URLSearchParams or a FormData as body');
    }
    return { content: utf8Text(body), type: 'text/plain;charset=UTF-8' };
  }

  let contentOf;
  class Body {
    /** A text, an ArrayBuffer, or undefined where there is none. */
    #content; #used = false; #type;
    constructor(extracted, type) {
      this.#content = extracted && extracted.content;
      this.#type = () => type() || '';
    }
    static { contentOf = (body) => body.#content; }
    get body() { return null; }
    get bodyUsed() { return this.#used; }
    #take() {
      if (this.#used) throw new TypeError('the body has been read already; clone() it before, or keep what was read');
      if (this.#content === undefined) return '';
      this.#used = true;
      return this.#content;
    }
    #text() {
      const content = this.#take();
      const text = isText(content) ? content : decode('utf-8', new Uint8Array(content), false);
      return text.startsWith('\ufeff') ? text.slice(1) : text;
    }
    #buffer() {
      const content = this.#take();
      return isText(content) ? utf8(content) : content.slice(0);
    }
    async text() { return this.#text(); }
    async json() { return parse(this.#text()); }
    async arrayBuffer() { return this.#buffer(); }
    async bytes() { return new Uint8Array(this.#buffer()); }
    async blob() { return new (web.part('form').Blob)([this.#take()], { type: this.#type() }); }
    async formData() {
      const form = new (web.part('form').FormData)();
      if (!this.#type().startsWith('application/x-www-form-urlencoded')) throw new TypeError('formData: only application/x-www-form-urlencoded is read');
      for (const [name, value] of host.formRead(this.#text())) form.append(name, value);
      return form;
    }
  }
  const copyOf = (body) => {
    if (body.bodyUsed) throw new TypeError('the body has been read already and cannot be cloned');
    const content = contentOf(body);
    return content === undefined ? undefined : { content: isText(content) ? content : content.slice(0) };
  };

  const REDIRECTS = ['follow', 'error', 'manual'];
  const USUAL = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'];
  let signalOf;
  class Request extends Body {
    #url; #method; #headers; #redirect; #signal;
    constructor(input, options) {
      const from = input instanceof Request ? input : undefined, init = options === undefined || options === null ? {} : options;
      if (typeof init !== 'object') throw new TypeError(`fetch: the second argument must be an object, got ${typeof init}`);
      const given = init.body === undefined || init.body === null ? undefined : extract(init.body);
      const body = given || (from && copyOf(from));
      const headers = new Headers(init.headers === undefined ? from && from.headers : init.headers);
      if (given && given.type !== undefined && !headers.has('content-type')) headers.set('content-type', given.type);
      super(body, () => headers.get('content-type'));
      const text = from ? from.url : String(input).toWellFormed();
      const parts = from ? undefined : host.url(text, undefined);
      if (!from && !parts) {
        const error = new TypeError(`fetch: ${stringify(text.slice(0, 100))} is no address; it must be whole, such as "https://example.org/path"`);
        error.code = 'ERR_INVALID_URL';
        throw error;
      }
      const method = String(init.method === undefined ? (from ? from.method : 'GET') : init.method);
      const upper = method.toUpperCase();
      if (!TOKEN.test(method) || ['CONNECT', 'TRACE', 'TRACK'].includes(upper)) throw new TypeError(`fetch: ${stringify(method.slice(0, 100))} is no method that can be used`);
      this.#url = from ? from.url : parts[0];
      this.#method = USUAL.includes(upper) ? upper : method;
      this.#headers = headers;
      this.#redirect = init.redirect === undefined ? (from ? from.redirect : 'follow') : String(init.redirect);
      if (!REDIRECTS.includes(this.#redirect)) throw new TypeError(`fetch: "redirect" must be one of ${REDIRECTS.join(', ')}`);
      const signal = init.signal === undefined ? from && signalOf(from) : init.signal;
      if (signal && !(signal instanceof web.part('abort').AbortSignal)) throw new TypeError('fetch: "signal" must be an AbortSignal');
      this.#signal = signal || null;
    }
    static { signalOf = (request) => request.#signal; }
    get url() { return this.#url; }
    get method() { return this.#method; }
    get headers() { return this.#headers; }
    get redirect() { return this.#redirect; }
    get signal() { return this.#signal || new (web.part('abort').AbortController)().signal; }
    clone() { return new Request(this); }
    get [Symbol.toStringTag]() { return 'Request'; }
  }

  const MADE = Symbol('made');
  class Response extends Body {
    #status; #statusText; #headers; #url = ''; #redirected = false; #type = 'default';
    constructor(body, init) {
      // What a server answered, or a copy of that.
      const made = body === MADE ? init : undefined, options = init || {};
      const extracted = made ? made.body : extract(body), headers = new Headers(options.headers);
      if (!made && extracted && extracted.type !== undefined && !headers.has('content-type')) headers.set('content-type', extracted.type);
      super(extracted, () => headers.get('content-type'));
      this.#status = options.status === undefined ? 200 : Number(options.status);
      if (!made && !(this.#status >= 200 && this.#status <= 599)) throw new RangeError(`Response: the status must be from 200 to 599, got ${options.status}`);
      this.#statusText = options.statusText === undefined ? '' : String(options.statusText);
      this.#headers = headers;
      if (made) ({ url: this.#url, redirected: this.#redirected, type: this.#type } = made);
    }
    static json(data, init) {
      const headers = new Headers(init && init.headers);
      if (!headers.has('content-type')) headers.set('content-type', 'application/json');
      return new Response(stringify(data), { ...init, headers });
    }
    get status() { return this.#status; }
    get ok() { return this.#status >= 200 && this.#status <= 299; }
    get statusText() { return this.#statusText; }
    get headers() { return this.#headers; }
    get url() { return this.#url; }
    get redirected() { return this.#redirected; }
    get type() { return this.#type; }
    clone() {
      const { status, statusText, headers, url, redirected, type } = this;
      return new Response(MADE, { status, statusText, headers, url, redirected, type, body: copyOf(this) });
    }
    get [Symbol.toStringTag]() { return 'Response'; }
  }

  function fetch(input, init) {
    // What is wrong comes from the server, which has no stack: keep the script's own.
    const at = new TypeError();
    let request;
    try {
      request = new Request(input, init);
    } catch (error) {
      return Promise.reject(error);
    }
    const signal = signalOf(request), body = contentOf(request);
    if (signal && signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const { watch, unwatch } = signal ? web.part('abort') : {};
      const over = (settle) => (value, body) => {
        if (stop) unwatch(signal, stop);
        settle(value, body);
      };
      const head = stringify({ url: request.url, method: request.method, headers: [...request.headers], redirect: request.redirect });
      const sent = body instanceof ArrayBuffer ? base64(new Uint8Array(body)) : body;
      const answered = (said, body) => resolve(new Response(MADE, { ...said, type: 'basic', body: { content: body } }));
      const number = web.wire.fetch(head, sent, sent !== body, at, over(answered), over(reject));
      const stop = signal && (() => {
        web.wire.abandon(number);
        reject(signal.reason);
      });
      if (stop) watch(signal, stop);
    });
  }
  const views = [
    [Headers, (headers) => Object.fromEntries(headers)],
    [Request, ({ method, url, headers }) => ({ method, url, headers })],
    [Response, ({ status, statusText, url, headers, bodyUsed }) => ({ status, statusText, url, headers, bodyUsed })],
  ];
  return { fetch, Headers, Request, Response, views };
})
