// What cms.js may know of the bot whose realm this is, and of others, whose content the server gives.
(function (host, base, requests) {
  'use strict';
  const { parse, stringify } = JSON;
  let mustache;
  // The realm's bot, once it has one; and the one whose elements are read, if that is another: `{ id, content }`.
  let own, reading;
  /** Content of other bots by id, as promises: for the present event alone, since it may change. */
  let others = new Map();
  /** Content types by id: they stay what they are for as long as the realm has the same program. */
  const types = new Map();
  /** Elements of another bot, each as text: who asks for one has a copy of its own. */
  const element = (content, id) => (Object.hasOwn(content.elements, id) ? stringify(content.elements[id]) : undefined);
  return {
    mustache: () => mustache || (mustache = base.own('mustache')),
    contentType(id) {
      let type = types.get(id);
      if (type === undefined) {
        const index = host.contentType(String(id).toWellFormed());
        if (index < 0) return undefined;
        type = base.load(index);
        types.set(id, type);
      }
      return type;
    },
    contentTypeIds: () => parse(host.contentTypeIds()),
    element(id) {
      const text = reading === undefined ? host.element(String(id).toWellFormed()) : element(reading.content, String(id));
      return text === undefined ? undefined : parse(text);
    },
    elementIds: () => (reading === undefined ? parse(host.elementIds()) : Object.keys(reading.content.elements).sort()),
    /** `[id, contentType, createdOn]` of each, in the order of the ids; the time is null where only the element itself knows. */
    elementRows() {
      if (reading === undefined) return parse(host.elementRows());
      const { elements } = reading.content, time = (of) => (typeof of === 'string' ? of : null);
      return Object.keys(elements).sort().map((id) => [id, elements[id].contentType, time(elements[id].createdOn)]);
    },
    botUrl: host.botUrl,
    get botId() { return reading === undefined ? own || (own = host.botId()) : reading.id; },
    /** Whether the elements are those of the realm's own bot, which stay what they are. */
    get isOwn() { return reading === undefined; },
    get defaultLanguage() { return reading === undefined ? host.defaultLanguage() : reading.content.defaultLanguage; },
    /** `imports.contentTypes` of the bot, for lists. */
    importedContentTypes() {
      const text = reading === undefined ? host.botConfig() : undefined;
      const config = text === undefined || text === null ? reading && reading.content.config : parse(text);
      return config && config.imports ? config.imports.contentTypes : undefined;
    },
    random: Math.random,
    async inBot(member, botId, work, unknown) {
      const id = botId.toLowerCase().toWellFormed(), at = new Error();
      if (!others.has(id)) {
        const asked = requests.request('content.of', [id, member]);
        others.set(id, asked);
        // What is refused names the member that asked.
        asked.catch(() => others.delete(id));
      }
      const content = await others.get(id);
      const before = reading;
      try {
        if (content === null) throw unknown();
        reading = { id, content };
        return work();
      } catch (error) {
        // Where the script called is on no stack any more.
        if (error instanceof Error && typeof error.stack === 'string') error.stack += at.stack;
        throw error;
      } finally {
        reading = before;
      }
    },
    loaded() {
      types.clear();
    },
    scrub() {
      if (others.size !== 0) others = new Map();
    },
  };
})
