console.log(typeof module, typeof exports, module.exports === exports, __filename, __dirname)
module.exports = 5
