// lodash found no `Buffer` when it was loaded (js/base.js): what one is, it is told here.
(function (_) {
  'use strict';
  _.mixin({ isBuffer: (value) => value instanceof Uint8Array && value._isBuffer === true }, { chain: false });
})
