// The bot is gone, and so is its chat at /s/<bot id>.
bp.http.deleteShortLink(botId)
