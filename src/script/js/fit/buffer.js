// `Buffer` is a global that all events of a realm share: what one changes of it must not be there for the next.
(function (buffer) {
  'use strict';
  const { Buffer } = buffer;
  // Makes it a child of Uint8Array, see js/bundle/buffer.js.
  Buffer.alloc(0);
  for (const container of [Buffer, Buffer.prototype]) {
    for (const key of Reflect.ownKeys(container)) {
      const { value, get, set } = Reflect.getOwnPropertyDescriptor(container, key);
      for (const method of [value, get, set]) if (typeof method === 'function') Object.freeze(method);
    }
    Object.freeze(container);
  }
  Object.freeze(buffer);
})
