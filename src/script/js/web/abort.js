// AbortController and AbortSignal. A signal has a timer only while somebody waits for it: one that nobody looks at any more
// must not keep the event from being over.
(function (host, web) {
  'use strict';
  const { setTimer, clearTimer } = web;
  const MADE = Symbol('made');
  let abort, watch, unwatch;

  class AbortSignal {
    #aborted = false; #reason = undefined; #listeners = []; #watchers = 0;
    /** When it aborts by itself, by the realm's clock; its timer while there is one; the signals that it follows. */
    #due = Infinity; #late = undefined; #timer = undefined; #sources = [];
    #onabort = null; #handler = undefined;
    constructor(made) {
      if (made !== MADE) throw new TypeError('AbortSignal: use an AbortController, AbortSignal.timeout(…) or AbortSignal.any(…)');
    }
    static abort(reason) {
      const signal = new AbortSignal(MADE);
      abort(signal, reason);
      return signal;
    }
    static timeout(milliseconds) {
      const wait = Number(milliseconds);
      if (!(wait >= 0 && wait <= Number.MAX_SAFE_INTEGER)) throw new TypeError('AbortSignal.timeout: the argument must be a number of milliseconds');
      const signal = new AbortSignal(MADE);
      signal.#due = host.now() + wait;
      // Made here, where the script's own stack is.
      signal.#late = new DOMException('The operation was aborted due to timeout', 'TimeoutError');
      return signal;
    }
    static any(signals) {
      const signal = new AbortSignal(MADE);
      for (const source of signals) {
        if (!(source instanceof AbortSignal)) throw new TypeError('AbortSignal.any: the argument must be an array of signals');
        signal.#sources.push(source);
      }
      return signal;
    }
    static {
      abort = (signal, reason) => signal.#abort(reason);
      watch = (signal, listener) => signal.#watch(listener);
      unwatch = (signal, listener) => signal.#unwatch(listener);
    }
    get aborted() {
      if (!this.#aborted) this.#look();
      return this.#aborted;
    }
    get reason() { return this.aborted ? this.#reason : undefined; }
    throwIfAborted() { if (this.aborted) throw this.#reason; }
    /** Whether it is aborted by now, though no timer and no listener has said so. */
    #look() {
      if (host.now() >= this.#due) return this.#abort(this.#late);
      const source = this.#sources.find((source) => source.aborted);
      if (source) this.#abort(source.reason);
    }
    #abort(reason) {
      if (this.#aborted) return;
      this.#aborted = true;
      this.#reason = reason === undefined ? new DOMException('This operation was aborted', 'AbortError') : reason;
      const listeners = this.#listeners;
      this.#listeners = [];
      if (this.#watchers > 0) this.#rest();
      const event = { type: 'abort', target: this, currentTarget: this };
      const tell = (listener) => {
        try {
          if (typeof listener === 'function') listener.call(this, event);
          else if (listener && typeof listener.handleEvent === 'function') listener.handleEvent(event);
        } catch (error) {
          // It is nobody's who aborts: reported like any other that nobody catches.
          Promise.reject(error);
        }
      };
      for (const { listener } of listeners) tell(listener);
    }
    #follow = () => this.#look();
    #watch(listener) {
      this.#listeners.push({ listener });
      if (this.#watchers++ !== 0) return;
      if (this.#due !== Infinity) this.#timer = setTimer(() => this.#abort(this.#late), Math.max(1, this.#due - host.now()));
      for (const source of this.#sources) source.#watch(this.#follow);
    }
    #unwatch(listener) {
      const at = this.#listeners.findIndex((entry) => entry.listener === listener);
      if (at < 0) return;
      this.#listeners.splice(at, 1);
      if (--this.#watchers === 0) this.#rest();
    }
    #rest() {
      this.#watchers = 0;
      if (this.#timer !== undefined) clearTimer(this.#timer);
      this.#timer = undefined;
      for (const source of this.#sources) source.#unwatch(this.#follow);
    }
    get onabort() { return this.#onabort; }
    set onabort(handler) {
      if (this.#handler) this.#unwatch(this.#handler);
      this.#onabort = typeof handler === 'function' ? handler : null;
      this.#handler = this.#onabort ? (event) => handler.call(this, event) : undefined;
      if (this.#handler && !this.aborted) this.#watch(this.#handler);
    }
    addEventListener(type, listener) {
      if (type !== 'abort' || this.aborted || listener === null || listener === undefined) return;
      if (!this.#listeners.some((entry) => entry.listener === listener)) this.#watch(listener);
    }
    removeEventListener(type, listener) { if (type === 'abort') this.#unwatch(listener); }
    dispatchEvent() { throw new TypeError('AbortSignal.dispatchEvent: only an AbortController aborts a signal'); }
    get [Symbol.toStringTag]() { return 'AbortSignal'; }
  }

  class AbortController {
    #signal = new AbortSignal(MADE);
    get signal() { return this.#signal; }
    abort(reason) { abort(this.#signal, reason); }
    get [Symbol.toStringTag]() { return 'AbortController'; }
  }
  const views = [[AbortSignal, ({ aborted }) => ({ aborted })]];
  return { AbortController, AbortSignal, watch, unwatch, views };
})
