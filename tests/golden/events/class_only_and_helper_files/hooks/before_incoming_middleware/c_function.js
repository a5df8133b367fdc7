const toText = value => String(value)
function other() {}
exports.toText = toText
