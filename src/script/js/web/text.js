// Text and bytes: TextEncoder, TextDecoder. The work is done by the host.
(function (host) {
  'use strict';
  const { freeze } = Object;
  const { toBase64 } = Uint8Array.prototype;

  /** `[buffer, offset, length]` of whatever holds bytes; undefined where nothing does. */
  function viewOf(input) {
    if (input instanceof ArrayBuffer) return [input, 0, input.byteLength];
    return ArrayBuffer.isView(input) ? [input.buffer, input.byteOffset, input.byteLength] : undefined;
  }
  const utf8 = (text) => host.encode(String(text).toWellFormed());

  const base64 = (bytes) => toBase64.call(bytes);
  /** Bytes as text; undefined where they are not valid and must be. */
  const decode = (encoding, bytes, fatal) => host.decode(encoding, base64(bytes), fatal);

  class TextEncoder {
    get encoding() { return 'utf-8'; }
    encode(text = '') { return new Uint8Array(utf8(text)); }
    encodeInto(text, target) {
      if (!(target instanceof Uint8Array)) throw new TypeError('TextEncoder.encodeInto: the second argument must be a Uint8Array');
      let read = 0, written = 0;
      for (const letter of String(text).toWellFormed()) {
        const bytes = new Uint8Array(utf8(letter));
        if (written + bytes.length > target.length) break;
        target.set(bytes, written);
        written += bytes.length;
        read += letter.length;
      }
      return { read, written };
    }
  }

  const LABELS = freeze({
    'utf-8': ['utf-8', 'utf8', 'unicode-1-1-utf-8'],
    'utf-16le': ['utf-16le', 'utf-16', 'ucs-2', 'unicode', 'csunicode'],
    'windows-1252': ['windows-1252', 'latin1', 'iso-8859-1', 'iso8859-1', 'ascii', 'us-ascii', 'cp1252', 'l1'],
  });
  const EMPTY = new Uint8Array(0);
  /** How many bytes at the end belong to a letter that is not whole yet. */
  function incomplete(encoding, bytes) {
    const { length } = bytes;
    if (encoding === 'windows-1252') return 0;
    if (encoding === 'utf-16le') {
      const odd = length % 2, high = length - odd >= 2 && (bytes[length - odd - 1] & 0xfc) === 0xd8;
      return odd + (high ? 2 : 0);
    }
    for (let back = 1; back <= 3 && back <= length; back++) {
      const byte = bytes[length - back];
      if ((byte & 0xc0) === 0x80) continue;
      const wants = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
      return wants > back ? back : 0;
    }
    return 0;
  }

  class TextDecoder {
    #encoding; #fatal; #ignoreBOM; #rest = EMPTY; #begun = false;
    constructor(label = 'utf-8', options = {}) {
      const wanted = String(label).trim().toLowerCase();
      this.#encoding = Object.keys(LABELS).find((name) => LABELS[name].includes(wanted));
      if (this.#encoding === undefined) {
        throw new RangeError(`TextDecoder: the encoding ${JSON.stringify(wanted)} is not offered; there are ${Object.keys(LABELS).join(', ')}`);
      }
      this.#fatal = !!options.fatal;
      this.#ignoreBOM = !!options.ignoreBOM;
    }
    get encoding() { return this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }
    decode(input = EMPTY, options = {}) {
      const view = viewOf(input);
      if (!view) throw new TypeError('TextDecoder.decode: the argument must be an ArrayBuffer or a view of one');
      const more = options !== null && !!options.stream;
      let bytes = new Uint8Array(...view);
      if (this.#rest.length !== 0) {
        const joined = new Uint8Array(this.#rest.length + bytes.length);
        joined.set(this.#rest);
        joined.set(bytes, this.#rest.length);
        bytes = joined;
      }
      // What a piece ends with may be completed by the next one.
      const whole = more ? bytes.length - incomplete(this.#encoding, bytes) : bytes.length;
      this.#rest = whole < bytes.length ? bytes.slice(whole) : EMPTY;
      let text = decode(this.#encoding, bytes.subarray(0, whole), this.#fatal);
      if (text === undefined) throw new TypeError(`TextDecoder.decode: the bytes are not valid ${this.#encoding}`);
      if (!this.#begun && !this.#ignoreBOM && text.startsWith('\ufeff')) text = text.slice(1);
      this.#begun = more && (this.#begun || whole > 0);
      return text;
    }
  }
  return { TextEncoder, TextDecoder, utf8, decode, base64, viewOf };
})
