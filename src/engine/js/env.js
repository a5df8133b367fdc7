// What cms.js may know of the bot whose realm this is.
(function (host, base) {
  'use strict';
  let mustache;
  // The realm's bot, once it has one, and the one whose elements are read if that is another.
  let own, reading;
  /** Content types of that bot by id: they stay what they are. */
  const types = new Map();
  function contentType(id) {
    const index = host.contentType(String(id).toWellFormed());
    return index < 0 ? undefined : base.load(index);
  }
  return {
    mustache: () => mustache || (mustache = base.own('mustache')),
    contentType(id) {
      if (reading !== undefined) return contentType(id);
      let type = types.get(id);
      if (type === undefined) {
        type = contentType(id);
        if (type !== undefined) types.set(id, type);
      }
      return type;
    },
    contentTypeIds: () => JSON.parse(host.contentTypeIds()),
    element(id) {
      const text = host.element(String(id).toWellFormed());
      return text === undefined ? undefined : JSON.parse(text);
    },
    elementIds: () => JSON.parse(host.elementIds()),
    botUrl: host.botUrl,
    get botId() { return reading === undefined ? own || (own = host.botId()) : reading; },
    get defaultLanguage() { return host.defaultLanguage(); },
    /** `imports.contentTypes` of the bot, for lists. */
    importedContentTypes() {
      const text = host.botConfig();
      const imports = text === undefined || text === null ? undefined : JSON.parse(text).imports;
      return imports ? imports.contentTypes : undefined;
    },
    random: Math.random,
    inBot(botId, work, unknown) {
      const before = reading;
      if (!host.readContentOf(botId.toWellFormed())) throw unknown();
      reading = botId.toLowerCase();
      try {
        return work();
      } finally {
        reading = before;
        host.readContentOf(before === undefined ? host.botId() : before);
      }
    },
  };
})
