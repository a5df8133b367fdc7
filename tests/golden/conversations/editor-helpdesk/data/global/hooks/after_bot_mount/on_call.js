// Who is on call this week.
bp.kvs.setStorageWithExpiry(botId, bp.kvs.getGlobalStorageKey('oncall'), 'Olaf', 'never')
