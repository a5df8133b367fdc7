// URL and URLSearchParams. The host reads addresses, as the one that calls them does.
(function (host) {
  'use strict';
  const clean = (value) => String(value).toWellFormed();
  // In the order in which the host gives them.
  const HREF = 0, ORIGIN = 1, PROTOCOL = 2, USERNAME = 3, PASSWORD = 4, HOST = 5, HOSTNAME = 6, PORT = 7, PATHNAME = 8, SEARCH = 9, HASH = 10;

  let linked, relink;

  class URLSearchParams {
    #pairs = []; #changed = undefined;
    constructor(init = '') {
      if (init === null || (typeof init !== 'object' && typeof init !== 'function')) {
        const text = clean(init);
        this.#pairs = host.formRead(text.startsWith('?') ? text.slice(1) : text);
      } else if (typeof init[Symbol.iterator] === 'function') {
        for (const pair of init) {
          const [name, value, ...more] = pair;
          if (value === undefined || more.length !== 0) throw new TypeError('URLSearchParams: each of the pairs must have a name and a value');
          this.#pairs.push([clean(name), clean(value)]);
        }
      } else {
        for (const name of Object.keys(init)) this.#pairs.push([clean(name), clean(init[name])]);
      }
    }
    static {
      // Those of an address: what changes in them is told.
      linked = (text, changed) => {
        const params = new URLSearchParams(text);
        params.#changed = changed;
        return params;
      };
      relink = (params, text) => { params.#pairs = host.formRead(text); };
    }
    #tell() { if (this.#changed) this.#changed(this.toString()); }
    get size() { return this.#pairs.length; }
    append(name, value) {
      this.#pairs.push([clean(name), clean(value)]);
      this.#tell();
    }
    delete(name, value) {
      const is = clean(name), only = value === undefined ? undefined : clean(value);
      this.#pairs = this.#pairs.filter((pair) => pair[0] !== is || (only !== undefined && pair[1] !== only));
      this.#tell();
    }
    get(name) {
      const is = clean(name), found = this.#pairs.find((pair) => pair[0] === is);
      return found ? found[1] : null;
    }
    getAll(name) {
      const is = clean(name);
      return this.#pairs.filter((pair) => pair[0] === is).map((pair) => pair[1]);
    }
    has(name, value) {
      const is = clean(name), only = value === undefined ? undefined : clean(value);
      return this.#pairs.some((pair) => pair[0] === is && (only === undefined || pair[1] === only));
    }
    set(name, value) {
      const is = clean(name), first = this.#pairs.findIndex((pair) => pair[0] === is);
      if (first < 0) return this.append(is, value);
      this.#pairs[first][1] = clean(value);
      this.#pairs = this.#pairs.filter((pair, index) => pair[0] !== is || index === first);
      this.#tell();
    }
    sort() {
      this.#pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
      this.#tell();
    }
    forEach(callback, self) {
      for (const [name, value] of this.#pairs.slice()) callback.call(self, value, name, this);
    }
    keys() { return this.#pairs.map((pair) => pair[0]).values(); }
    values() { return this.#pairs.map((pair) => pair[1]).values(); }
    entries() { return this.#pairs.map((pair) => pair.slice()).values(); }
    [Symbol.iterator]() { return this.entries(); }
    toString() { return host.formWrite(this.#pairs.flat()); }
    get [Symbol.toStringTag]() { return 'URLSearchParams'; }
  }

  class URL {
    #parts; #params = undefined;
    constructor(url, base) {
      const text = clean(url), from = base === undefined ? undefined : clean(base);
      this.#parts = host.url(text, from);
      if (this.#parts === undefined) {
        const short = text.length > 100 ? text.slice(0, 100) + '…' : text;
        const error = new TypeError(`Invalid URL: ${JSON.stringify(short)}`);
        error.code = 'ERR_INVALID_URL';
        error.input = text;
        throw error;
      }
    }
    static canParse(url, base) { return host.url(clean(url), base === undefined ? undefined : clean(base)) !== undefined; }
    static parse(url, base) { return URL.canParse(url, base) ? new URL(url, base) : null; }
    #set(part, value) {
      const parts = host.urlSet(this.#parts[HREF], part, clean(value));
      if (parts === undefined) {
        if (part === HREF) throw new TypeError(`Invalid URL: ${JSON.stringify(clean(value).slice(0, 100))}`);
        return;
      }
      this.#parts = parts;
      if (this.#params && (part === HREF || part === SEARCH)) relink(this.#params, parts[SEARCH].slice(1));
    }
    get href() { return this.#parts[HREF]; }
    set href(value) { this.#set(HREF, value); }
    get origin() { return this.#parts[ORIGIN]; }
    get protocol() { return this.#parts[PROTOCOL]; }
    set protocol(value) { this.#set(PROTOCOL, value); }
    get username() { return this.#parts[USERNAME]; }
    set username(value) { this.#set(USERNAME, value); }
    get password() { return this.#parts[PASSWORD]; }
    set password(value) { this.#set(PASSWORD, value); }
    get host() { return this.#parts[HOST]; }
    set host(value) { this.#set(HOST, value); }
    get hostname() { return this.#parts[HOSTNAME]; }
    set hostname(value) { this.#set(HOSTNAME, value); }
    get port() { return this.#parts[PORT]; }
    set port(value) { this.#set(PORT, value); }
    get pathname() { return this.#parts[PATHNAME]; }
    set pathname(value) { this.#set(PATHNAME, value); }
    get search() { return this.#parts[SEARCH]; }
    set search(value) { this.#set(SEARCH, value); }
    get hash() { return this.#parts[HASH]; }
    set hash(value) { this.#set(HASH, value); }
    get searchParams() {
      if (!this.#params) {
        this.#params = linked(this.#parts[SEARCH], (text) => {
          this.#parts = host.urlSet(this.#parts[HREF], SEARCH, text) || this.#parts;
        });
      }
      return this.#params;
    }
    toString() { return this.#parts[HREF]; }
    toJSON() { return this.#parts[HREF]; }
    get [Symbol.toStringTag]() { return 'URL'; }
  }
  const views = [[URL, ({ href }) => ({ href })], [URLSearchParams, (params) => Object.fromEntries(params)]];
  return { URL, URLSearchParams, views };
})
