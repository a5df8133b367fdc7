//! Replies on their way out: the frame of each is written here, from the payload as the script made it.

use std::cell::RefCell;
use std::rc::Rc;

use memchr::memmem;
use rquickjs::function::Opt;
use rquickjs::{Ctx, Exception, Object, Value};

use crate::engine::Host;
use crate::script::json::Writer;
use crate::script::realm::Realm;

/// What `js/outgoing.js` and `js/core.js` need to write replies and states.
pub(super) fn reply_functions<'js>(realm: &Realm<'js>, object: &Object<'js>, host: &Rc<Host>) -> rquickjs::Result<()> {
    let h = Rc::clone(host);
    let frame = RefCell::new(Vec::new());
    // False where `js/outgoing.js` is to write the payload: it is not plain, or needs looking into.
    let reply = move |ctx: Ctx<'js>,
                      plain: Object<'js>,
                      payload: Value<'js>,
                      kind: String,
                      address: String,
                      answers: Option<String>,
                      id: Opt<Option<String>>| {
        // Taken, since a getter of the payload may reply, too.
        let mut text = frame.take();
        text.clear();
        begin_frame(&h, id.0.flatten(), &kind, &address, answers.as_deref(), &mut text);
        let payload_at = text.len();
        let written = Writer { plain }.write(&payload, &mut text);
        if written.is_err() {
            ctx.catch();
        }
        let fine = written.is_ok() && is_plain(&text[payload_at..]);
        let result = if fine { end_frame(&ctx, &h, &mut text, &kind) } else { Ok(()) };
        frame.replace(text);
        result.map(|()| fine)
    };
    object.set("reply", realm.function("reply", reply)?)?;
    let h = Rc::clone(host);
    let reply_text = move |ctx: Ctx<'js>,
                           payload: String,
                           kind: String,
                           address: String,
                           answers: Option<String>,
                           id: Opt<Option<String>>| {
        let mut text = Vec::new();
        begin_frame(&h, id.0.flatten(), &kind, &address, answers.as_deref(), &mut text);
        text.extend_from_slice(payload.as_bytes());
        end_frame(&ctx, &h, &mut text, &kind)
    };
    object.set("replyText", realm.function("replyText", reply_text)?)?;
    let h = Rc::clone(host);
    let address = move |channel: String, target: String, bot: String, thread: Option<String>| {
        address_of(&h, &channel, &target, &bot, thread.as_deref())
    };
    object.set("address", realm.function("address", address)?)?;
    // A value as JSON, or undefined where `JSON.stringify` is to write it.
    let json = |ctx: Ctx<'js>, plain: Object<'js>, value: Value<'js>| {
        let mut text = Vec::new();
        if (Writer { plain }).write(&value, &mut text).is_err() {
            ctx.catch();
            return None;
        }
        String::from_utf8(text).ok()
    };
    object.set("json", realm.function("json", json)?)
}

/// The members that say where a reply goes; `!` and why, where it may not go there.
fn address_of(host: &Host, channel: &str, target: &str, bot: &str, thread: Option<&str>) -> String {
    if let Some(wrong) = host.refuses(channel, target, bot, thread.unwrap_or_default()) {
        return format!("!{wrong}");
    }
    let mut text = Vec::new();
    let members = [("channel", Some(channel)), ("target", Some(target)), ("botId", Some(bot)), ("threadId", thread)];
    for (name, value) in members {
        let Some(value) = value else { continue };
        text.extend_from_slice(if text.is_empty() { b"\"" } else { b",\"" });
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b"\":");
        quote(value, &mut text);
    }
    String::from_utf8(text).unwrap_or_default()
}

/// Whether a payload can go as it is: without paths of the server in it.
fn is_plain(payload: &[u8]) -> bool {
    memmem::find(payload, b"\"/").is_none() && memmem::find(payload, b"BOT_URL").is_none()
}

fn begin_frame(host: &Host, id: Option<String>, kind: &str, address: &str, answers: Option<&str>, text: &mut Vec<u8>) {
    // The server knows events by number; what a script called one by itself is its own business.
    let id = id.filter(|id| (1..=18).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()));
    text.extend_from_slice(b"{\"id\":\"");
    text.extend_from_slice(id.unwrap_or_else(|| host.ids.next().to_string()).as_bytes());
    text.extend_from_slice(b"\",\"direction\":\"outgoing\",\"type\":");
    quote(kind, text);
    text.push(b',');
    text.extend_from_slice(address.as_bytes());
    if let Some(answers) = answers {
        text.extend_from_slice(b",\"incomingEventId\":");
        quote(answers, text);
    }
    text.extend_from_slice(b",\"payload\":");
}

fn end_frame(ctx: &Ctx<'_>, host: &Host, text: &mut Vec<u8>, kind: &str) -> rquickjs::Result<()> {
    text.push(b'}');
    // Only JSON and texts of ours are in it.
    let json = std::str::from_utf8(text).unwrap_or_default();
    host.effect(json, kind).map_err(|message| Exception::throw_range(ctx, &message))
}

/// Writing into memory cannot fail.
fn quote(text: &str, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(out, text);
}
