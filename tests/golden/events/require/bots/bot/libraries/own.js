exports.name = 'library of the bot'
