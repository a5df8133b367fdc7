//! Two bots: `b` has secrets of every kind, `a` makes the attempts.

use std::fmt::Write as _;

use super::attempts;

/// What nobody but `b` and its visitors may learn.
pub(crate) const SECRET: &str = "SECRET-OF-B";

/// What `b` does. `probe` asks it what its realm has become, and has it say something that its visitor's page hears after
/// everything else; whoever says `remember` makes it keep secrets of every kind.
const B: &str = r#"
const SECRET = 'SECRET-OF-B'
const { text } = event.payload
event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
const say = (text) => bp.events.replyToEvent(event, [{ type: 'text', text: String(text) }])
if (event.target === 'probe') {
  if (text.startsWith('after ')) {
    const page = { channel: 'web', target: 'eve', botId: 'b', threadId: text.slice(6) }
    await bp.events.replyToEvent(page, [{ type: 'data', after: 'everything' }])
  }
  return say(JSON.stringify([
    globalThis.leak, process.leak, process.env.EXPOSED_LEAK, require('counted').leak, ({}).leak, bp.leak, bp.kvs.leak,
    require('lodash').leak, require('axios').leak,
  ]))
}
await bp.kvs.increment('b', 'seen')
if (text === 'tell') return say(SECRET)
if (text !== 'remember') return
event.state.user.secret = SECRET
event.state.session.secret = SECRET
const own = bp.kvs.forBot('b')
for (const key of ['secret', 'kept', 'doomed', 'doomed too', 'prefix/x', 'storage/conversation/web::eve/secret', 'storage/users/eve/secret']) {
  await own.set(key, SECRET)
}
await own.set('object', { deep: [SECRET], own: SECRET })
await own.set('global', { secret: SECRET })
await bp.kvs.global().set('secret', SECRET)
await bp.kvs.set('agreed', 'secret', SECRET)
bp.http.createShortLink('of-b', 'http://b.example/' + SECRET)
if (event.channel === 'api') return say(await bp.cms.saveFile('b', 'secret.txt', SECRET))
return say(SECRET)
"#;

/// What the attempts share.
const SHARED: &str = r#"
const eve = { channel: 'web', target: 'eve', botId: 'b' }
const ownEve = { ...eve, botId: 'a' }
const fromA = [{ type: 'text', text: 'from a' }]
const typing = [{ type: 'typing', value: 500 }]
const data = [{ type: 'data', planted: 1 }]
const read = async (url, options) => (await fetch(url, options)).text()
const namesB = (text) => (text.includes('"b"') ? 'SECRET-OF-B' : '')
const caught = async (work) => {
  try { return await work() } catch (error) { return error.message }
}
"#;

/// What makes them: who says `n known` has the attempt of that number made.
const BEFORE: &str = r#"
event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
const { text } = event.payload
if (text === 'answer') return bp.events.replyToEvent(event, [{ type: 'text', text: 'an answer' }])
const [, number, known] = /^(\d+) (.*)$/.exec(text) || []
if (number === undefined) return
const home = { channel: event.channel, target: event.target, botId: event.botId }
let said
try {
  const learned = JSON.parse(known)
  const page = { ...eve, threadId: learned.thread }
  const conversation = '/mod/channel-web/conversations/eve/' + learned.thread
  const gave = await attempts[number](bp, event, learned, page, conversation)
  said = 'gave ' + (gave === undefined ? 'undefined' : JSON.stringify(gave))
} catch (error) {
  said = 'threw ' + (error && error.message)
}
return bp.events.replyToEvent(home, [{ type: 'text', text: said }])
"#;

const HIJACK: &str = "if (event.payload && event.payload.hijack) Object.assign(event, event.payload.hijack)";

fn hook_of_a() -> String {
    let mut text = format!("{SHARED}const attempts = [\n");
    for attempt in attempts::all() {
        let _ = writeln!(text, "  async (bp, event, known, page, conversation) => {{ {} }},", attempt.run);
    }
    text + "]\n" + BEFORE
}

/// What both bots can be asked to do, by a hook that is no bot's: `own <name>`.
const OWN: &str = r#"
const own = {
  sign: () => bp.security.getMessageSignature('a message'),
  planted: () => bp.kvs.get(event.botId, 'planted'),
  async everything() {
    const bot = event.botId
    await bp.users.getOrCreateUser('WEB', 'ann')
    await bp.users.updateAttributes('web', 'ann', { name: 'Ann of ' + bot })
    await bp.kvs.global().set('g', bot)
    await bp.kvs.set('any name', 'g', bot, 'deep')
    const { result } = await bp.users.getOrCreateUser('web', 'ann')
    const users = await bp.users.getAllUsers({ start: 0, count: 100 })
    const ann = users.find((user) => user.user_id === 'ann')
    return {
      user: [result.id, result.channel, result.attributes],
      listed: [ann.channel, ann.attributes, users.length === (await bp.users.getUserCount())],
      kvs: [await bp.kvs.global().get('g'), await bp.kvs.forBot('any name').get('g')],
      bots: [...(await bp.bots.getAllBots()).keys()],
      config: (await bp.bots.getBotById(bot.toUpperCase())).name,
    }
  },
}
const { text } = event.payload
if (typeof text !== 'string' || !text.startsWith('own ')) return
event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
const gave = await own[text.slice(4)]()
return bp.events.replyToEvent(event, [{ type: 'text', text: JSON.stringify(gave === undefined ? null : gave) }])
"#;

/// The files of the workspace, where bots are kept apart or not.
pub(crate) fn files(isolation: &str) -> Vec<(String, String)> {
    let element = format!(
        r#"[{{ "id": "builtin_text-secret", "contentType": "builtin_text", "formData": {{ "text$en": "{SECRET}" }},
            "createdOn": "2026-01-01T00:00:00.000Z" }}]"#
    );
    let bot = format!(r#"{{ "name": "B", "custom": {{ "note": "{SECRET}" }}, "defaultLanguage": "en" }}"#);
    [
        (
            "botpress.config.json",
            format!(r#"{{ "scripts": {{ "isolation": "{isolation}" }}, "converse": {{ "timeout": "60s" }} }}"#),
        ),
        ("node_modules/counted/index.js", "exports.count = 0".into()),
        ("hooks/after_server_start/links.js", "bp.http.createShortLink('of-all', 'http://all.example')".into()),
        ("hooks/before_incoming_middleware/own.js", OWN.into()),
        ("hooks/after_bot_mount/of_all.js", "".into()),
        ("hooks/after_bot_mount/.off.js", "".into()),
        ("bots/a/bot.config.json", r#"{ "name": "A", "defaultLanguage": "en" }"#.into()),
        ("bots/a/hooks/before_incoming_middleware/a.js", hook_of_a()),
        ("bots/a/hooks/before_outgoing_middleware/hijack.js", HIJACK.into()),
        ("bots/b/bot.config.json", bot),
        ("bots/b/config/plugin.json", format!(r#"{{ "note": "{SECRET}" }}"#)),
        ("bots/b/content-elements/builtin_text.json", element),
        ("bots/b/hooks/before_incoming_middleware/b.js", B.into()),
        ("bots/b/libraries/secret.js", format!("module.exports = '{SECRET}'")),
        ("bots/b/node_modules/own/index.js", format!("module.exports = '{SECRET}'")),
        ("bots/b/actions/own.js", format!("/** {SECRET} */ module.exports = '{SECRET}'")),
    ]
    .map(|(path, text)| (path.to_owned(), text))
    .into()
}
