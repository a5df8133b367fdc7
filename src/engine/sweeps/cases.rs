//! Typical events, each of which is run with something going wrong at every step.

use std::sync::Arc;

use serde_json::json;

use crate::engine::LoadedProgram;
use crate::engine::dialog_tests::Bot;
use crate::engine::tests::EVENT;
use crate::program::HookKind::{AfterIncomingMiddleware, BeforeIncomingMiddleware, BeforeOutgoingMiddleware};

/// A bot, and an event of one of its users.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) loaded: Arc<LoadedProgram>,
    pub(super) event: String,
}

/// The snippet of the documentation.
const DOCUMENTED: &str = include_str!("../../../tests/snippets/3.js");

const JSON_AND_REGEX: &str = r"
const text = JSON.stringify({ list: Array.from({ length: 20 }, (_, i) => ({ i, name: 'n' + i, deep: { a: [i, null, 'ü'] } })) }, null, 2)
const back = JSON.parse(text, (key, value) => key === 'i' ? value + 1 : value)
const found = [...text.matchAll(/'name': '(?<name>n\d+)'/gu)].map(one => one.groups.name)
const words = text.replace(/[\s{}]+/g, ' ').split(/,\s*/).sort((a, b) => a.localeCompare(b))
event.state.session.last = { words: words.length, found, sum: back.list.reduce((sum, one) => sum + one.i, 0) }
event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
bp.events.replyToEvent(event, [{ type: 'text', text: `${words.length} ${encodeURIComponent(words.join())}`.slice(0, 200) }])
";

const ERRORS: &str = r"
class Refused extends Error { constructor(why, options) { super(why, options); this.name = 'Refused' } }
function inner(depth) { if (depth) return inner(depth - 1); throw new Refused('no', { cause: new TypeError('why') }) }
try { inner(5) } catch (error) { console.error('caught', error, { nested: [error.stack.split('\n').length] }) }
Promise.reject(new Refused('nobody looks'))
new Promise((_, no) => setTimeout(() => no('late'), 1)).catch(why => console.warn(`it is ${why}`))
bp.events.replyToEvent(event, [{ type: 'text', text: 'before it falls' }])
null.falls
";

const ASYNC: &str = r"// top-level await
const all = await Promise.all([1, 2, 3].map(async n => { await null; return n * (await bp.kvs.get('bot', 'k')) }))
function* numbers() { for (const n of all) yield n }
const held = new Map([...numbers()].map(n => [`k${n}`, new Set([n])]))
const seen = new Proxy({}, { get: (_, key) => `${String(key)}!` })
const bytes = new Uint8Array(64).map((_, i) => i * 2)
await new Promise(go => setTimeout(go, 1))
for await (const one of (async function* () { yield* held.keys() })()) console.log(one, seen[one], bytes.slice(0, 3))
event.state.user.visits = (event.state.user.visits || 0) + 1
event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
await bp.events.replyToEvent(event, await bp.cms.renderElement('builtin_text', { text: 'done {{event.channel}}', typing: false }, event))
";

const OUTGOING: &str = r"event.payload.text = `${event.payload.text}`.toUpperCase().padEnd(30, '.'); event.payload.seen = { at: new Date(5).toISOString() }";

/// How many there are.
pub(super) const COUNT: u64 = 5;

/// All of them.
pub(super) fn all() -> Vec<Case> {
    let hook = |name, files: &[_]| Case {
        name,
        loaded: Arc::new(LoadedProgram::new(Bot::with_hooks(&json!({}), files).program)),
        event: EVENT.to_owned(),
    };
    let flows = json!({ "main": { "nodes": [
        { "name": "entry", "onEnter": ["say #builtin_text {\"text\":\"Hello {{event.preview}}\",\"typing\":false}", "count {\"by\":2}"],
          "next": [{ "condition": "temp.count > 5", "node": "bye" }, { "condition": "event.preview === 'hi'", "node": "ask" }] },
        { "name": "ask", "onEnter": ["say #builtin_text {\"text\":\"{{temp.count}}?\",\"typing\":false}"], "onReceive": ["count {}"],
          "next": [{ "condition": "true", "node": "bye" }] },
        { "name": "bye", "onEnter": ["say #builtin_text {\"text\":\"bye\",\"typing\":false}"], "next": [] },
    ] } });
    let count = "temp.count = (temp.count || 0) + (args.by || 1); user.count = temp.count; session.list = [1, 2, 3].map(String)";
    let dialog = Bot::new(&flows).action("count", count);
    let message = json!({
        "id": "179533009130405441", "type": "text", "channel": "api", "target": "u", "botId": "welcome-bot",
        "direction": "incoming", "payload": { "type": "text", "text": "hi" }, "preview": "hi", "createdOn": 1_795_330_091_304_u64,
    });
    vec![
        hook("the documented hook", &[(BeforeIncomingMiddleware, "1.js", DOCUMENTED)]),
        Case { name: "a dialog", loaded: Arc::new(LoadedProgram::new(dialog.program)), event: message.to_string() },
        hook("JSON and regular expressions", &[(BeforeIncomingMiddleware, "1.js", JSON_AND_REGEX)]),
        hook(
            "errors",
            &[(BeforeIncomingMiddleware, "1.js", ERRORS), (AfterIncomingMiddleware, "2.js", "console.log('went on')")],
        ),
        hook(
            "promises, and a hook of what goes out",
            &[(BeforeIncomingMiddleware, "1.js", ASYNC), (BeforeOutgoingMiddleware, "2.js", OUTGOING)],
        ),
    ]
}
