//! What bot `a` tries on bot `b`: one row each. `run` is the body of an async function in a hook of `a`, which has `bp`, `event`,
//! what an attacker may have learned (`known`: `{ file, thread, franks, socket, base }`), the conversation of `b`'s visitor as an
//! address (`page`) and as a path (`conversation`), and what `workspace.rs` says that attempts share.

/// What comes of an attempt where bots are kept apart. That it reaches nothing of `b` holds for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Apart {
    /// It rejects with an error that names the key.
    Refused,
    /// The log has an error that names the key: nobody waits for what was refused, or it is refused later.
    Logged,
    /// There is no error: it is done with the script's own things, or finds nothing.
    Nothing,
}

/// What comes of it where bots share what they have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shared {
    /// It reaches something of `b`.
    Works,
    /// Nothing: bots are apart in this in any case.
    Nothing,
}

/// One attempt.
pub(crate) struct Attempt {
    pub(crate) name: &'static str,
    pub(crate) run: &'static str,
    pub(crate) apart: Apart,
    pub(crate) shared: Shared,
}

const fn row(name: &'static str, apart: Apart, shared: Shared, run: &'static str) -> Attempt {
    Attempt { name, run, apart, shared }
}

use Apart::{Logged, Nothing as Quiet, Refused};
use Shared::{Nothing, Works};

/// Values of `bp.kvs`.
const KVS: &[Attempt] = &[
    row("kvs.get", Refused, Works, "return bp.kvs.get('b', 'secret')"),
    row("kvs.get of a part", Refused, Works, "return bp.kvs.get('b', 'object', 'deep[0]')"),
    row("kvs.forBot get", Refused, Works, "return bp.kvs.forBot('b').get('secret')"),
    row("kvs.forBot get, by another case", Refused, Nothing, "return bp.kvs.forBot('B').get('secret')"),
    row("kvs.set", Refused, Works, "await bp.kvs.set('b', 'secret', 'changed')"),
    row("kvs.set of a part", Refused, Works, "await bp.kvs.set('b', 'object', 'changed', 'deep[0]')"),
    row("kvs.set that expires", Refused, Works, "await bp.kvs.set('b', 'secret', 'late', null, '1 hour')"),
    row("kvs.forBot set", Refused, Works, "await bp.kvs.forBot('b').set('secret', 'changed again')"),
    row("kvs.get of the bot's variables", Refused, Works, "return bp.kvs.get('b', 'global', 'secret')"),
    row("kvs.set of the bot's variables", Refused, Works, "await bp.kvs.set('b', 'global', { planted: 1 })"),
    row("kvs.delete of a part", Refused, Works, "await bp.kvs.delete('b', 'object', 'deep')"),
    row("kvs.increment", Refused, Works, "await bp.kvs.increment('b', 'count', 5)"),
    row("kvs.forBot increment", Refused, Works, "await bp.kvs.forBot('b').increment('count')"),
    row("kvs.exists", Refused, Works, "return (await bp.kvs.exists('b', 'secret')) ? 'SECRET-OF-B' : ''"),
    row("kvs.setStorageWithExpiry", Refused, Works, "await bp.kvs.setStorageWithExpiry('b', 'secret', 'soon', '2h')"),
    row("kvs.getStorageWithExpiry", Refused, Works, "return bp.kvs.getStorageWithExpiry('b', 'kept')"),
    row("kvs.forBot delete", Refused, Works, "await bp.kvs.forBot('b').delete('doomed')"),
    row("kvs.delete", Refused, Works, "await bp.kvs.delete('b', 'doomed too')"),
    row("kvs by a String object", Refused, Works, "return bp.kvs.get(new String('b'), 'kept')"),
    row("kvs by an object that becomes the name", Refused, Works, "return bp.kvs.get({ toJSON: () => 'b' }, 'kept')"),
    row(
        "kvs by an object that becomes the name when it is written a second time",
        Quiet,
        Nothing,
        "let n = 0; return bp.kvs.get({ toJSON: () => (n++ ? 'b' : 'a') }, 'kept')",
    ),
    row(
        "kvs by the key of a conversation",
        Refused,
        Works,
        "return bp.kvs.get('b', bp.kvs.getConversationStorageKey('web::eve', 'secret'))",
    ),
    row(
        "kvs by the key of a user",
        Refused,
        Works,
        "return bp.kvs.get('b', bp.kvs.getUserStorageKey('eve', 'secret'))",
    ),
    row("kvs.global", Quiet, Works, "return bp.kvs.global().get('secret')"),
    row("kvs.global set", Quiet, Works, "await bp.kvs.global().set('secret', 'changed')"),
    row("kvs of any other name", Quiet, Works, "return bp.kvs.get('agreed', 'secret')"),
    row("kvs of any other name, set", Quiet, Works, "await bp.kvs.set('agreed', 'secret', 'changed')"),
    row("kvs of a name made of the bot's and another", Quiet, Nothing, "return bp.kvs.get('b\\u001fagreed', 'secret')"),
    row("kvs.removeStorageKeysStartingWith", Quiet, Works, "await bp.kvs.removeStorageKeysStartingWith('prefix/')"),
    row(
        "kvs.removeStorageKeysStartingWith of everything",
        Quiet,
        Works,
        "await bp.kvs.removeStorageKeysStartingWith('k')",
    ),
    row(
        "kvs, called with a this of another's",
        Refused,
        Works,
        "const { get } = bp.kvs; return Reflect.apply(get, { botId: 'a' }, ['b', 'object', ['own']])",
    ),
];

/// Users and sessions.
const USERS: &[Attempt] = &[
    // First: who is made by others counts as well.
    row("users.getUserCount", Quiet, Works, "return (await bp.users.getUserCount()) > 1 ? 'SECRET-OF-B' : ''"),
    row("users.getAttributes", Quiet, Works, "return bp.users.getAttributes('web', 'eve')"),
    row("users.getAttributes, by another case", Quiet, Works, "return bp.users.getAttributes('WEB', 'eve')"),
    row("users.getOrCreateUser", Quiet, Works, "return bp.users.getOrCreateUser('web', 'eve')"),
    row("users.getAllUsers", Quiet, Works, "return bp.users.getAllUsers()"),
    row("users.getAllUsers by pages", Quiet, Works, "return bp.users.getAllUsers({ start: 0, count: 100 })"),
    row("users.updateAttributes", Quiet, Works, "await bp.users.updateAttributes('web', 'eve', { planted: 1 })"),
    row("users.setAttributes", Quiet, Works, "await bp.users.setAttributes('web', 'frank', {})"),
    row(
        "users of a channel made of the bot's name",
        Quiet,
        Nothing,
        "return bp.users.getAttributes('b\\u001fweb', 'eve')",
    ),
    row("the attributes of a user of both bots", Quiet, Works, "return event.state.user"),
    row("the attributes of a user of both bots, set", Quiet, Works, "event.state.user.secret = 'changed'"),
    row(
        "the attributes of a user of both bots, by bp",
        Quiet,
        Works,
        "await bp.users.updateAttributes('api', 'mallory', { secret: 'by bp' })",
    ),
    row("dialog.deleteSession", Refused, Works, "await bp.dialog.deleteSession(`web::eve::${known.thread}`, 'b')"),
    row(
        "dialog.deleteSession, by another case",
        Refused,
        Works,
        "await bp.dialog.deleteSession(bp.dialog.createId({ channel: 'web', target: 'frank', threadId: known.franks }), 'B')",
    ),
    row("dialog.deleteSession without a bot", Quiet, Nothing, "await bp.dialog.deleteSession('api::mallory')"),
    row(
        "dialog.jumpTo with a made-up event",
        Quiet,
        Nothing,
        "await bp.dialog.jumpTo('api::mallory', { botId: 'b', target: 'eve', channel: 'web', state: { context: {} } }, 'main')",
    ),
    row(
        "dialog.processEvent with a made-up event",
        Quiet,
        Nothing,
        "return caught(async () => { await bp.dialog.processEvent('api::mallory', { ...event, botId: 'b' }) })",
    ),
    row(
        "the state of an event that says it is another's",
        Quiet,
        Nothing,
        "Object.assign(event, { botId: 'b', channel: 'api', target: 'mallory' }); event.state.session.secret = 'changed'; event.state.context = { currentFlow: 'x' }",
    ),
];

/// What is sent.
const EVENTS: &[Attempt] = &[
    row("replyToEvent", Refused, Works, "await bp.events.replyToEvent(page, fromA)"),
    row("replyToEvent without a conversation", Refused, Works, "await bp.events.replyToEvent(eve, fromA)"),
    row(
        "replyToEvent, by another case",
        Refused,
        Works,
        "await bp.events.replyToEvent({ channel: 'web', target: 'eve', botId: 'B' }, fromA)",
    ),
    row(
        "replyToEvent on another channel",
        Refused,
        Works,
        "await bp.events.replyToEvent({ channel: 'api', target: 'eve', botId: 'b' }, fromA)",
    ),
    row(
        "replyToEvent with the event changed",
        Refused,
        Works,
        "Object.assign(event, page); await bp.events.replyToEvent(event, fromA)",
    ),
    row(
        "a reply that an outgoing hook leads elsewhere",
        Refused,
        Works,
        "await bp.events.replyToEvent(event, [{ type: 'text', text: 'x', hijack: page }])",
    ),
    row(
        "replyToEvent with an address that changes",
        Refused,
        Works,
        "let n = 0; await bp.events.replyToEvent({ channel: 'web', target: 'eve', get botId() { return n++ < 1 ? 'a' : 'b' } }, fromA)",
    ),
    row("typing", Refused, Works, "await bp.events.replyToEvent(page, typing)"),
    row("data", Refused, Works, "await bp.events.replyToEvent(eve, data)"),
    row(
        "sendEvent of a reply",
        Refused,
        Works,
        "await bp.events.sendEvent({ type: 'text', direction: 'outgoing', ...eve, payload: { type: 'text', text: 'from a' } })",
    ),
    row(
        "sendEvent",
        Refused,
        Works,
        "await bp.events.sendEvent({ type: 'text', direction: 'incoming', ...eve, payload: { text: 'as eve' } })",
    ),
    row(
        "sendEvent of an Event",
        Refused,
        Works,
        "await bp.events.sendEvent(bp.IO.Event({ type: 'custom', direction: 'incoming', channel: 'api', target: 'eve', botId: 'b', payload: {} }))",
    ),
    row(
        "sendEvent of an Event whose bot is changed",
        Refused,
        Works,
        "const made = bp.IO.Event({ type: 'custom', direction: 'incoming', channel: 'api', target: 'eve', botId: 'a', payload: {} }); made.botId = 'b'; await bp.events.sendEvent(made)",
    ),
    row(
        "sendEvent with an address that changes",
        Refused,
        Works,
        "let n = 0; await bp.events.sendEvent({ type: 'custom', direction: 'incoming', channel: 'api', target: 'eve', payload: {}, get botId() { return n++ < 1 ? 'a' : 'b' } })",
    ),
    row(
        "sendEvent that resets a session",
        Refused,
        Works,
        "await bp.events.sendEvent({ type: 'session_reset', direction: 'incoming', ...page, payload: {} })",
    ),
    row(
        "a message to another bot's visitor in the script's own name",
        Logged,
        Works,
        "await bp.events.replyToEvent(ownEve, fromA)",
    ),
    row(
        "typing to another bot's visitor in the script's own name",
        Logged,
        Works,
        "await bp.events.replyToEvent(ownEve, typing)",
    ),
    row(
        "typing in another bot's conversation",
        Logged,
        Works,
        "await bp.events.replyToEvent({ ...ownEve, threadId: known.thread }, typing)",
    ),
    row(
        "data to another bot's visitor in the script's own name",
        Logged,
        Works,
        "await bp.events.replyToEvent(ownEve, data)",
    ),
    row(
        "a message in another bot's conversation",
        Quiet,
        Nothing,
        "await bp.events.replyToEvent({ ...ownEve, threadId: known.thread }, fromA)",
    ),
    row(
        "an answer to an event in another bot's visitor's name",
        Logged,
        Works,
        "await bp.events.sendEvent({ type: 'text', direction: 'incoming', ...ownEve, payload: { text: 'answer' } })",
    ),
    row(
        "realtime.sendPayload",
        Logged,
        Works,
        "bp.realtime.sendPayload(bp.RealTimePayload.forVisitor('eve', 'webchat.custom', { from: 'a' }))",
    ),
    row(
        "realtime.sendPayload with a room by hand",
        Logged,
        Works,
        "bp.realtime.sendPayload(new bp.RealTimePayload('guest.webchat.message', { __room: 'visitor:eve', text: 'from a' }))",
    ),
    row(
        "realtime.sendPayload of a plain object",
        Logged,
        Works,
        "bp.realtime.sendPayload({ eventName: 'guest.webchat.message', payload: { __room: 'visitor:eve', botId: 'b' } })",
    ),
    row(
        "realtime.getVisitorIdFromGuestSocketId",
        Quiet,
        Works,
        "return (await bp.realtime.getVisitorIdFromGuestSocketId(known.socket)) === 'eve' ? 'SECRET-OF-B' : ''",
    ),
];

/// Content, configuration and files.
const CONTENT: &[Attempt] = &[
    row("cms.getContentElement", Refused, Works, "return bp.cms.getContentElement('b', 'builtin_text-secret')"),
    row(
        "cms.getContentElement, by another case",
        Refused,
        Works,
        "return bp.cms.getContentElement('B', 'builtin_text-secret')",
    ),
    row("cms.getContentElements", Refused, Works, "return bp.cms.getContentElements('b', ['builtin_text-secret'])"),
    row("cms.listContentElements", Refused, Works, "return bp.cms.listContentElements('b')"),
    row(
        "cms.getAllContentTypes",
        Refused,
        Works,
        "return (await bp.cms.getAllContentTypes('b')).length > 0 ? 'SECRET-OF-B' : ''",
    ),
    row(
        "cms.renderElement",
        Refused,
        Works,
        "return bp.cms.renderElement('!builtin_text-secret', {}, { channel: 'web', target: 'u', botId: 'b' })",
    ),
    row(
        "cms.renderElement with the event changed",
        Refused,
        Works,
        "event.botId = 'b'; return bp.cms.renderElement('!builtin_text-secret', {}, event)",
    ),
    row(
        "cms.renderElement of an element that the bot has not",
        Quiet,
        Nothing,
        "return caught(() => bp.cms.renderElement('!builtin_text-secre', {}, event))",
    ),
    row("cms.saveFile", Refused, Works, "await bp.cms.saveFile('b', 'planted.txt', 'from a')"),
    row("cms.readFile", Refused, Works, "return String(await bp.cms.readFile('b', known.file))"),
    row(
        "cms.readFile by a path",
        Quiet,
        Nothing,
        "return caught(async () => String(await bp.cms.readFile('a', '../b/' + known.file)))",
    ),
    row("bots.getBotById", Refused, Works, "return bp.bots.getBotById('b')"),
    row("bots.getAllBots", Quiet, Works, "return JSON.stringify([...(await bp.bots.getAllBots()).values()])"),
    row("config.getModuleConfigForBot", Refused, Works, "return bp.config.getModuleConfigForBot('plugin', 'b')"),
    row(
        "config.getModuleConfig by a path",
        Quiet,
        Nothing,
        "return caught(() => bp.config.getModuleConfig('../bots/b/config/plugin'))",
    ),
    row("experimental.disableHook", Refused, Works, "await bp.experimental.disableHook('of_all', 'after_bot_mount')"),
    row("experimental.enableHook", Refused, Works, "await bp.experimental.enableHook('off', 'after_bot_mount')"),
    row(
        "require of another bot's library",
        Quiet,
        Nothing,
        "return caught(() => require('../../../b/libraries/secret'))",
    ),
    row(
        "require of another bot's configuration",
        Quiet,
        Nothing,
        "return caught(() => require('../../../b/bot.config.json'))",
    ),
    row(
        "require of another bot's hook",
        Quiet,
        Nothing,
        "return caught(() => String(require('../../../b/hooks/before_incoming_middleware/b.js')))",
    ),
    row(
        "require of another bot's action",
        Quiet,
        Nothing,
        "return caught(() => String(require('../../../b/actions/own.js')))",
    ),
    row(
        "require by a computed name",
        Quiet,
        Nothing,
        "return caught(() => require(['..', '..', '..', 'b', 'libraries', 'secret'].join('/')))",
    ),
    row("require by a name from the root", Quiet, Nothing, "return caught(() => require('/bots/b/libraries/secret'))"),
    row(
        "require of another bot's package",
        Quiet,
        Nothing,
        "return caught(() => require('../../../b/node_modules/own'))",
    ),
];

/// This server's own routes, tokens and links.
const ROUTES: &[Attempt] = &[
    row(
        "http.getAxiosConfigForBot",
        Refused,
        Works,
        "const { baseURL, headers } = await bp.http.getAxiosConfigForBot('b', { localUrl: true }); return read(baseURL, { headers })",
    ),
    row(
        "http.getAxiosConfigForBot without a call",
        Refused,
        Works,
        "return (await bp.http.getAxiosConfigForBot('B')).baseURL.endsWith('/b') ? 'SECRET-OF-B' : ''",
    ),
    row(
        "the token of one bot on another's routes",
        Refused,
        Nothing,
        "const { baseURL, headers } = await bp.http.getAxiosConfigForBot('a', { localUrl: true }); return read(baseURL.replace(/a$/, 'b'), { headers })",
    ),
    row(
        "fetch of the converse API",
        Refused,
        Works,
        "return read(`${known.base}/api/v1/bots/b/converse/zoe`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ type: 'text', text: 'tell' }) })",
    ),
    row("fetch of a conversation", Refused, Works, "return read(`${known.base}/api/v1/bots/b${conversation}`)"),
    row(
        "fetch of an event",
        Refused,
        Works,
        "await fetch(`${known.base}/api/v1/bots/b/mod/channel-web/events/eve`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{\"type\":\"custom\"}' })",
    ),
    row(
        "fetch by another name of this machine",
        Refused,
        Works,
        "return read(`${known.base.replace('127.0.0.1', 'localhost')}/api/v1/bots/b${conversation}`)",
    ),
    row(
        "fetch by another address of this machine",
        Refused,
        Works,
        "return read(`${known.base.replace('127.0.0.1', '[::ffff:127.0.0.1]')}/api/v1/bots/b${conversation}`)",
    ),
    row(
        "fetch by the address as a number",
        Refused,
        Works,
        "return read(`${known.base.replace('127.0.0.1', '2130706433')}/api/v1/bots/b${conversation}`)",
    ),
    row(
        "fetch by a path that leads back",
        Refused,
        Works,
        "return read(`${known.base}/api/v1/bots/a/../b${conversation}`)",
    ),
    row(
        "fetch by a path that leads back, encoded",
        Refused,
        Works,
        "return read(`${known.base}/api/v1/bots/a/%2e%2e/b${conversation}`)",
    ),
    row(
        "fetch by a connection that was kept",
        Refused,
        Works,
        "await (await fetch(`${known.base}/api/v1/bots/a/mod/channel-web/botInfo`)).text(); return read(`${known.base}/api/v1/bots/b${conversation}`)",
    ),
    row("fetch of a file", Refused, Works, "return read(known.base + bp.cms.getFilePath('b', known.file))"),
    row(
        "axios",
        Refused,
        Works,
        "return (await require('axios').get(`${known.base}/api/v1/bots/b${conversation}`)).data",
    ),
    row(
        "fetch by a redirect",
        Refused,
        Works,
        "await bp.http.createShortLink('hop', `${known.base}/api/v1/bots/b${conversation}`); return read(`${known.base}/s/hop`)",
    ),
    row("fetch of what is counted of all bots", Refused, Nothing, "return read(`${known.base}/metrics`)"),
    row(
        "fetch of what is said of all bots, in the name of another",
        Quiet,
        Works,
        "return read(`${known.base}/status`, { headers: { 'x-nudge-bot': 'b' } }).then(namesB)",
    ),
    row("fetch of what is said of all bots", Quiet, Works, "return read(`${known.base}/status`).then(namesB)"),
    row(
        "http.createShortLink of the bot's name",
        Quiet,
        Nothing,
        "await bp.http.createShortLink('b', 'http://evil.example')",
    ),
    row(
        "http.createShortLink of a link of the bot's",
        Quiet,
        Nothing,
        "await bp.http.createShortLink('of-b', 'http://evil.example')",
    ),
    row(
        "http.createShortLink, by another case",
        Quiet,
        Nothing,
        "await bp.http.createShortLink('OF-B', 'http://evil2.example')",
    ),
    row(
        "http.createShortLink of a link of nobody's",
        Quiet,
        Nothing,
        "await bp.http.createShortLink('of-all', 'http://evil.example')",
    ),
    row("http.deleteShortLink of a link of the bot's", Quiet, Nothing, "await bp.http.deleteShortLink('of-b')"),
    row("http.deleteShortLink of the bot's name", Quiet, Nothing, "await bp.http.deleteShortLink('b')"),
];

/// What realms might share.
const REALMS: &[Attempt] = &[
    row("a global variable", Quiet, Nothing, "globalThis.leak = 'planted'"),
    row("a variable of the process", Quiet, Nothing, "process.env.EXPOSED_LEAK = 'planted'; process.leak = 'planted'"),
    row("a variable of a package", Quiet, Nothing, "require('counted').leak = 'planted'"),
    row("a built-in prototype", Quiet, Nothing, "return caught(() => { Object.prototype.leak = 'planted' })"),
    row("a member of bp", Quiet, Nothing, "return caught(() => { bp.leak = 'planted'; bp.kvs.leak = 'planted' })"),
    row(
        "a bundled package",
        Quiet,
        Nothing,
        "return caught(() => { require('lodash').leak = 'planted'; require('axios').leak = 'planted' })",
    ),
    row("a timer that outlives its event", Quiet, Nothing, "setTimeout(() => { globalThis.leak = 'planted' }, 0)"),
    row("the logger of another bot", Quiet, Nothing, "bp.logger.forBot('b').info('planted')"),
];

/// All of them.
pub(crate) fn all() -> impl Iterator<Item = &'static Attempt> {
    [USERS, KVS, EVENTS, CONTENT, ROUTES, REALMS].into_iter().flatten()
}
