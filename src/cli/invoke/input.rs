//! The event and the state that a hook is invoked on: read from files, and completed.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use serde_json::{Map, Value};

use crate::model::{BotId, EventId, UserId};

/// The parts of a state.
const STATE: [&str; 5] = ["user", "session", "temp", "context", "bot"];

/// Reads a JSON object from a file, or from stdin for `-`.
pub(super) fn read(path: &Path) -> anyhow::Result<Value> {
    let (name, text) = if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read stdin")?;
        ("stdin".to_owned(), text)
    } else {
        let name = path.display().to_string();
        (name.clone(), std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?)
    };
    let value: Value = serde_json::from_str(&text).with_context(|| format!("{name} is not JSON"))?;
    ensure!(value.is_object(), "{name} must hold a JSON object");
    Ok(value)
}

/// The bot that is asked for: `--bot`, else the event's `botId`.
pub(super) fn bot_of(event: &Value, asked: Option<&BotId>) -> anyhow::Result<Option<BotId>> {
    match (asked, &event["botId"]) {
        (Some(bot), _) => Ok(Some(bot.clone())),
        (None, Value::Null) => Ok(None),
        (None, Value::String(bot)) => Ok(Some(BotId::parse(bot)?)),
        (None, other) => bail!("the event's \"botId\" must be a string, got {other}"),
    }
}

/// Fills in what an incoming event has: only `type` must be given. `now` is in milliseconds since the epoch.
pub(super) fn complete_event(event: Value, bot: &BotId, now: u64) -> anyhow::Result<Value> {
    let Value::Object(mut event) = event else { bail!("the event must be a JSON object") };
    match event.get("type") {
        Some(Value::String(kind)) if !kind.is_empty() => {}
        _ => bail!("the event needs a \"type\", such as \"text\" or \"proactive-trigger\""),
    }
    let defaults: [(&str, Value); 6] = [
        ("id", Value::from(EventId(now.saturating_mul(100_000)).to_string())),
        ("channel", "web".into()),
        ("target", "visitor-1".into()),
        ("direction", "incoming".into()),
        ("payload", Map::new().into()),
        ("createdOn", now.into()),
    ];
    for (name, value) in defaults {
        event.entry(name).or_insert(value);
    }
    event.insert("botId".into(), bot.as_str().into());
    for name in ["channel", "target", "direction"] {
        ensure!(event[name].is_string(), "the event's \"{name}\" must be a string, got {}", event[name]);
    }
    UserId::parse(event["target"].as_str().unwrap_or_default()).context("the event's \"target\" is no user")?;
    // State comes from --state, and flags are symbols: both have no place in the file.
    event.shift_remove("state");
    event.shift_remove("flags");
    Ok(Value::Object(event))
}

/// Fills in the parts of a state that are not given. A new session has no last messages.
pub(super) fn complete_state(state: Value) -> anyhow::Result<Value> {
    let mut given = match state {
        Value::Null => Map::new(),
        Value::Object(given) => given,
        other => bail!("the state must be a JSON object, got {other}"),
    };
    let mut state = Map::new();
    for name in STATE {
        let part = given.shift_remove(name).unwrap_or_else(|| Map::new().into());
        ensure!(part.is_object(), "the state's \"{name}\" must be an object, got {part}");
        state.insert(name.into(), part);
    }
    if let Some(name) = given.keys().next() {
        bail!("the state has no part \"{name}\"; its parts are {}", STATE.join(", "));
    }
    if let Some(Value::Object(session)) = state.get_mut("session") {
        session.entry("lastMessages").or_insert_with(|| Vec::<Value>::new().into());
    }
    Ok(Value::Object(state))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_needs_only_its_type() {
        let bot = BotId::parse("welcome-bot").unwrap();
        let event =
            complete_event(json!({ "type": "text", "payload": { "text": "hi" }, "flags": {} }), &bot, 17).unwrap();
        assert_eq!(
            event,
            json!({
                "type": "text", "payload": { "text": "hi" }, "id": "1700000", "channel": "web", "target": "visitor-1",
                "direction": "incoming", "createdOn": 17, "botId": "welcome-bot"
            })
        );
        for bad in [
            json!({}),
            json!({ "type": 1 }),
            json!({ "type": "a", "target": 3 }),
            json!({ "type": "a", "target": " " }),
        ] {
            assert!(complete_event(bad.clone(), &bot, 17).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_bot_is_the_one_asked_for_or_the_events_own() {
        let asked = BotId::parse("a").unwrap();
        assert_eq!(bot_of(&json!({ "botId": "b" }), Some(&asked)).unwrap(), Some(asked));
        assert_eq!(bot_of(&json!({ "botId": "B" }), None).unwrap(), Some(BotId::parse("b").unwrap()));
        assert_eq!(bot_of(&json!({}), None).unwrap(), None);
        assert!(bot_of(&json!({ "botId": 1 }), None).is_err());
    }

    #[test]
    fn a_state_is_completed_and_unknown_parts_are_refused() {
        assert_eq!(
            complete_state(json!({ "user": { "name": "Ada" } })).unwrap(),
            json!({ "user": { "name": "Ada" }, "session": { "lastMessages": [] }, "temp": {}, "context": {}, "bot": {} })
        );
        assert_eq!(complete_state(Value::Null).unwrap()["temp"], json!({}));
        assert!(complete_state(json!({ "usr": {} })).unwrap_err().to_string().contains("no part \"usr\""));
        assert!(complete_state(json!({ "user": [] })).is_err());
    }
}
