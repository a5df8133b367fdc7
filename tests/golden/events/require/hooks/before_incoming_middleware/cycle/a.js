exports.early = 1
const b = require('./b')
exports.seen = b.sawEarly
exports.late = 2
