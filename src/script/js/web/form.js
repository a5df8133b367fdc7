// Blob, File and FormData: bytes with a name.
(function (_host, web) {
  'use strict';
  const { utf8, decode, viewOf } = web.part('text');
  let bytesOf;

  function join(pieces) {
    const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.byteLength, 0));
    let at = 0;
    for (const piece of pieces) {
      whole.set(piece, at);
      at += piece.byteLength;
    }
    return whole;
  }

  class Blob {
    #bytes; #type;
    constructor(parts = [], options = {}) {
      if (parts === null || typeof parts !== 'object' || typeof parts[Symbol.iterator] !== 'function') {
        throw new TypeError('Blob: the first argument must be an array of texts, buffers and blobs');
      }
      const pieces = [];
      for (const part of parts) {
        const view = viewOf(part);
        pieces.push(part instanceof Blob ? part.#bytes : view ? new Uint8Array(...view) : new Uint8Array(utf8(part)));
      }
      this.#bytes = join(pieces);
      const type = options !== null && options !== undefined && options.type !== undefined ? String(options.type) : '';
      this.#type = /[^\x20-\x7e]/.test(type) ? '' : type.toLowerCase();
    }
    static { bytesOf = (blob) => blob.#bytes; }
    get size() { return this.#bytes.length; }
    get type() { return this.#type; }
    async text() { return decode('utf-8', this.#bytes, false); }
    async arrayBuffer() { return this.#bytes.buffer.slice(0); }
    async bytes() { return this.#bytes.slice(); }
    slice(start, end, type = '') { return new Blob([this.#bytes.slice(start, end)], { type }); }
    get [Symbol.toStringTag]() { return 'Blob'; }
  }

  class File extends Blob {
    #name; #lastModified;
    constructor(parts, name, options = {}) {
      super(parts, options);
      this.#name = String(name).toWellFormed();
      this.#lastModified = options !== null && options.lastModified !== undefined ? Number(options.lastModified) : Date.now();
    }
    get name() { return this.#name; }
    get lastModified() { return this.#lastModified; }
    get [Symbol.toStringTag]() { return 'File'; }
  }

  function entry(name, value, filename) {
    if (!(value instanceof Blob)) return [String(name).toWellFormed(), String(value).toWellFormed()];
    const file = value instanceof File && filename === undefined
      ? value : new File([value], filename === undefined ? 'blob' : filename, { type: value.type });
    return [String(name).toWellFormed(), file];
  }

  class FormData {
    #entries = [];
    constructor(form) { if (form !== undefined) throw new TypeError('FormData: there are no forms here; append its values'); }
    append(name, value, filename) { this.#entries.push(entry(name, value, filename)); }
    set(name, value, filename) {
      const made = entry(name, value, filename), first = this.#entries.findIndex((known) => known[0] === made[0]);
      if (first < 0) this.#entries.push(made);
      else this.#entries = this.#entries.map((known, index) => (index === first ? made : known)).filter((known, index) => known[0] !== made[0] || index === first);
    }
    delete(name) { this.#entries = this.#entries.filter((known) => known[0] !== String(name)); }
    get(name) {
      const found = this.#entries.find((known) => known[0] === String(name));
      return found ? found[1] : null;
    }
    getAll(name) { return this.#entries.filter((known) => known[0] === String(name)).map((known) => known[1]); }
    has(name) { return this.#entries.some((known) => known[0] === String(name)); }
    forEach(callback, self) { for (const [name, value] of this.#entries.slice()) callback.call(self, value, name, this); }
    keys() { return this.#entries.map((known) => known[0]).values(); }
    values() { return this.#entries.map((known) => known[1]).values(); }
    entries() { return this.#entries.map((known) => known.slice()).values(); }
    [Symbol.iterator]() { return this.entries(); }
    get [Symbol.toStringTag]() { return 'FormData'; }
  }

  /** A form as it is sent: its bytes and their type. */
  function multipart(form) {
    let boundary = '----nudge';
    while (boundary.length < 33) boundary += Math.floor(Math.random() * 16).toString(16);
    const quoted = (text) => text.replace(/\r\n|\r|\n/g, '%0D%0A').replace(/"/g, '%22');
    const pieces = [];
    const say = (text) => pieces.push(new Uint8Array(utf8(text)));
    for (const [name, value] of form) {
      const head = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"`;
      if (typeof value === 'string') {
        say(`${head}\r\n\r\n${value.replace(/\r\n|\r|\n/g, '\r\n')}\r\n`);
      } else {
        say(`${head}; filename="${quoted(value.name)}"\r\nContent-Type: ${value.type || 'application/octet-stream'}\r\n\r\n`);
        pieces.push(bytesOf(value));
        say('\r\n');
      }
    }
    say(`--${boundary}--\r\n`);
    return { bytes: join(pieces), type: `multipart/form-data; boundary=${boundary}` };
  }
  const views = [
    [File, ({ name, size, type }) => ({ name, size, type })], [Blob, ({ size, type }) => ({ size, type })],
    [FormData, (form) => Object.fromEntries(form)],
  ];
  return { views, Blob, File, FormData, multipart, bytesOf: (blob) => bytesOf(blob) };
})
