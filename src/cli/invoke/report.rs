//! What a hook did to an event, for people.

use std::fmt::Write as _;

use serde_json::Value;
use serde_json::value::RawValue;

use super::difference::differences;
use crate::protocol::{Effect, LogLine};
use crate::telemetry::escape;

/// Everything that was seen of one run.
#[derive(Debug)]
pub(super) struct Run {
    /// The hook's path.
    pub(super) hook: String,
    /// The event as it went in.
    pub(super) event: Value,
    /// The state as it went in.
    pub(super) state: Value,
    /// Replies and sent events, in order.
    pub(super) effects: Vec<Effect>,
    /// Log lines and errors, in order.
    pub(super) log: Vec<LogLine>,
    /// `{ ms, view: { flags, state, event } }` from the worker, or why there is none. The view is null where the scripts
    /// ended in a way that left nothing to look at.
    pub(super) result: Result<Value, String>,
}

/// How long a payload is shown, in characters.
const SHOWN: usize = 1_000;

impl Run {
    /// Whether the hook ran to its end without an error.
    pub(super) fn succeeded(&self) -> bool {
        self.result.is_ok() && !self.log.iter().any(|line| line.level == "error")
    }

    /// As printed.
    pub(super) fn render(&self) -> String {
        let mut out = format!("{} on {}\n", escape::one_line(&self.hook), title(&self.event));
        for line in &self.log {
            log_line(line, &mut out);
        }
        match &self.result {
            Err(why) => drop_line(&mut out, &format!("  ended    {}", escape::one_line(why))),
            Ok(result) => {
                let view = &result["view"];
                if view.is_object() {
                    drop_line(&mut out, &format!("  flags    {}", flags(&view["flags"])));
                    section("state", differences(&self.state, &view["state"]), &mut out);
                    section("event", differences(&comparable(&self.event), &comparable(&view["event"])), &mut out);
                }
            }
        }
        self.effects(&mut out);
        if let Ok(result) = &self.result
            && let Some(ms) = result["ms"].as_f64()
        {
            drop_line(&mut out, &format!("  time     {ms:.2} ms"));
        }
        out
    }

    fn effects(&self, out: &mut String) {
        let (replies, sent): (Vec<&Effect>, Vec<&Effect>) =
            self.effects.iter().partition(|effect| effect.direction == "outgoing");
        if replies.is_empty() {
            out.push_str("  replies  none\n");
        }
        for (label, effects) in [("replies", replies), ("sends", sent)] {
            let mut label = label;
            for effect in effects {
                let payload = escape::shortened(&compact(&effect.payload), SHOWN);
                let kind = escape::one_line(&effect.kind);
                drop_line(out, &format!("  {label:<8} {kind} {}", escape::one_line(&payload)));
                label = "";
            }
        }
    }
}

fn drop_line(out: &mut String, line: &str) {
    let _ = writeln!(out, "{line}");
}

fn title(event: &Value) -> String {
    let text = |name: &str| escape::one_line(event[name].as_str().unwrap_or("?"));
    format!("event {} {}/{} → {}", text("type"), text("channel"), text("target"), text("botId"))
}

fn flags(flags: &Value) -> String {
    let names: Vec<String> = match flags {
        Value::Array(names) => names.iter().filter_map(Value::as_str).map(escape::one_line).collect(),
        Value::Object(names) => {
            names.iter().filter(|(_, set)| **set == Value::Bool(true)).map(|(name, _)| escape::one_line(name)).collect()
        }
        _ => Vec::new(),
    };
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn section(name: &str, lines: Vec<String>, out: &mut String) {
    if lines.is_empty() {
        drop_line(out, &format!("  {name:<8} unchanged"));
        return;
    }
    let mut label = name;
    for line in lines {
        drop_line(out, &format!("  {label:<8} {}", escape::one_line(&line)));
        label = "";
    }
}

/// The event less what has a line of its own here, and less what the realm adds to every event.
fn comparable(event: &Value) -> Value {
    let mut event = event.clone();
    if let Some(object) = event.as_object_mut() {
        for name in ["state", "flags", "createdOn", "id", "direction", "nlu", "suggestions", "preview"] {
            object.shift_remove(name);
        }
        // `undefined` has no JSON: what is missing and what is null are the same here.
        object.retain(|_, value| !value.is_null());
    }
    event
}

fn compact(payload: &RawValue) -> String {
    serde_json::from_str::<Value>(payload.get()).map_or_else(|_| payload.get().to_owned(), |value| value.to_string())
}

fn log_line(line: &LogLine, out: &mut String) {
    let mut place = line.file.clone().unwrap_or_default();
    for number in [line.line, line.column].into_iter().map_while(|number| number) {
        let _ = write!(place, ":{number}");
    }
    if !place.is_empty() {
        place.push_str(": ");
    }
    let message = escape::lines(&line.message);
    let mut lines = message.lines();
    let level = escape::one_line(&line.level);
    drop_line(out, &format!("  {level:<8} {}{}", escape::one_line(&place), lines.next().unwrap_or_default()));
    let frame = escape::lines(line.frame.as_deref().unwrap_or_default());
    for line in lines.chain(frame.lines()) {
        drop_line(out, &format!("             {line}"));
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;
    use crate::model::EventId;

    fn effect(direction: &str, kind: &str, payload: &str) -> Effect {
        Effect {
            id: EventId(1),
            direction: direction.into(),
            kind: kind.into(),
            channel: "web".into(),
            target: "visitor-1".into(),
            bot_id: "welcome-bot".into(),
            thread_id: None,
            payload: RawValue::from_string(payload.into()).unwrap(),
            preview: None,
            nlu: None,
            suggestions: None,
            incoming_event_id: None,
            ask: None,
        }
    }

    fn run() -> Run {
        let event = json!({
            "type": "proactive-trigger", "channel": "web", "target": "visitor-1", "botId": "welcome-bot",
            "payload": { "text": "fake message" }
        });
        Run {
            hook: "hooks/before_incoming_middleware/proactive.js".into(),
            state: json!({ "user": {}, "session": { "lastMessages": [] }, "temp": {}, "context": {}, "bot": {} }),
            effects: vec![
                effect("outgoing", "typing", "{ \"type\": \"typing\",  \"value\": true }"),
                effect("outgoing", "text", r#"{"type":"text","text":"I'm so proactive!"}"#),
                effect("incoming", "follow-up", r#"{"a":"\u001b[2J"}"#),
            ],
            log: vec![LogLine {
                level: "info".into(),
                message: "hello\nforged".into(),
                file: Some("hooks/before_incoming_middleware/proactive.js".into()),
                line: Some(2),
                column: None,
                frame: None,
                hook: None,
                bot: None,
            }],
            result: Ok(json!({
                "view": {
                "flags": ["skipDialogEngine"],
                "state": { "user": { "seen": 1 }, "session": { "lastMessages": [] }, "temp": {}, "context": {}, "bot": {} },
                "event": { "type": "text", "channel": "web", "target": "visitor-1", "botId": "welcome-bot",
                           "payload": { "text": "fake message" }, "threadId": null, "state": {}, "id": "17" }
                },
                "ms": 1.234
            })),
            event,
        }
    }

    #[test]
    fn a_run_shows_flags_changes_replies_and_time() {
        assert!(run().succeeded());
        expect![[r#"
            hooks/before_incoming_middleware/proactive.js on event proactive-trigger web/visitor-1 → welcome-bot
              info     hooks/before_incoming_middleware/proactive.js:2: hello
                         forged
              flags    skipDialogEngine
              state    + user.seen: 1
              event      type: "proactive-trigger" → "text"
              replies  typing {"type":"typing","value":true}
                       text {"type":"text","text":"I'm so proactive!"}
              sends    follow-up {"a":"\u001b[2J"}
              time     1.23 ms
        "#]]
        .assert_eq(&run().render());
    }

    #[test]
    fn a_run_that_failed_shows_where_and_fails() {
        let error = LogLine {
            level: "error".into(),
            message: "TypeError: not a function".into(),
            file: Some("hooks/x.js".into()),
            line: Some(1),
            column: Some(3),
            frame: Some("> 1 | x()\n    | ^".into()),
            hook: None,
            bot: None,
        };
        let run = Run { log: vec![error], effects: vec![], result: Err("killed after 1250 ms".into()), ..run() };
        assert!(!run.succeeded());
        expect![[r#"
            hooks/before_incoming_middleware/proactive.js on event proactive-trigger web/visitor-1 → welcome-bot
              error    hooks/x.js:1:3: TypeError: not a function
                         > 1 | x()
                             | ^
              ended    killed after 1250 ms
              replies  none
        "#]]
        .assert_eq(&run.render());
    }
}
