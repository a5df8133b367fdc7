//! A log entry as text: collected from `tracing`, written as one readable line or as one JSON object.

use std::fmt::Write as _;
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::writer::LineWriter;
use super::{escape, trace};

/// Target of what scripts log.
pub(super) const SCRIPT: &str = "script";
/// Target of events that were processed.
pub(super) const TRACE: &str = "trace";

/// How log entries look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// One readable line, further lines indented.
    Pretty {
        /// Whether to colour it.
        colour: bool,
    },
    /// One JSON object a line.
    Json,
}

/// Turns entries into lines.
pub(super) struct LineLayer {
    pub(super) format: LogFormat,
    pub(super) writer: LineWriter,
}

impl<S: Subscriber> Layer<S> for LineLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let entry = Entry {
            time: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
            level: *event.metadata().level(),
            target: event.metadata().target(),
            fields,
        };
        self.writer.write(match self.format {
            LogFormat::Pretty { colour } => entry.pretty(colour),
            LogFormat::Json => entry.json(),
        });
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.others.insert(name.to_owned(), value)),
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.others.get(name)?.as_str()
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, chain(value).into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}

/// An error with its causes.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

struct Entry {
    /// RFC 3339 in UTC, with milliseconds.
    time: String,
    level: Level,
    target: &'static str,
    fields: Fields,
}

/// Fields that have a place of their own in a readable line.
const PLACED: [&str; 6] = ["bot", "hook", "file", "line", "column", "frame"];

impl Entry {
    fn level(&self) -> &'static str {
        match self.level {
            Level::ERROR => "error",
            Level::WARN => "warn",
            Level::INFO => "info",
            Level::DEBUG => "debug",
            Level::TRACE => "trace",
        }
    }

    /// `08:15:30.123 warn  welcome-bot hooks/x.js:3:9  what it says  key=value`, further lines indented.
    fn pretty(&self, colour: bool) -> String {
        let paint =
            |code: &str, text: &str| if colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
        let level = match self.level {
            Level::ERROR => "31;1",
            Level::WARN => "33;1",
            Level::INFO => "32",
            Level::DEBUG | Level::TRACE => "2",
        };
        let time = self.time.get(11..23).unwrap_or(&self.time);
        let mut out = format!("{} {}", paint("2", time), paint(level, &format!("{:<5}", self.level())));
        if let Some(place) = self.place() {
            let _ = write!(out, " {}", paint("36", &escape::one_line(&place)));
        }
        // Whatever a script says, only this program begins a line at its left edge.
        let mut body = escape::lines(self.fields.message.trim_end());
        if self.target == TRACE {
            body = trace::render_trace(&self.trace());
        }
        let mut body = body.split('\n');
        let _ = write!(out, " {}", body.next().unwrap_or_default());
        for (name, value) in &self.fields.others {
            let hidden =
                PLACED.contains(&name.as_str()) || self.target == TRACE || (self.target == SCRIPT && name == "event");
            if !hidden {
                let text = match value {
                    Value::String(text) => escape::one_line(text),
                    other => other.to_string(),
                };
                let _ = write!(out, "  {}", paint("2", &format!("{name}={text}")));
            }
        }
        out.push('\n');
        let frame = escape::lines(self.fields.text("frame").unwrap_or_default());
        for line in body.chain(frame.trim_end().lines()) {
            let _ = writeln!(out, "    {line}");
        }
        out
    }

    /// The trace that it carries.
    fn trace(&self) -> Value {
        self.fields.text("trace").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// `bot kind file:line:column`, as far as known.
    fn place(&self) -> Option<String> {
        if self.target == TRACE {
            return None;
        }
        let fields = &self.fields;
        let mut parts: Vec<String> = fields.text("bot").map(str::to_owned).into_iter().collect();
        if let Some(file) = fields.text("file") {
            let number = |name: &str| fields.others.get(name).map(|n| format!(":{n}")).unwrap_or_default();
            parts.push(format!("{file}{}{}", number("line"), number("column")));
        }
        // The kind is the folder in most paths: say it only where it is not.
        if let Some(hook) = fields.text("hook").filter(|hook| !fields.text("file").is_some_and(|f| f.contains(*hook))) {
            parts.push(format!("({hook})"));
        }
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    /// `{ "time", "level", "module", "message", … }` and the entry's fields beside them.
    fn json(&self) -> String {
        let mut object = Map::new();
        object.insert("time".into(), self.time.as_str().into());
        object.insert("level".into(), self.level().into());
        object.insert("module".into(), self.target.into());
        object.insert("message".into(), self.fields.message.as_str().into());
        for (name, value) in &self.fields.others {
            let value = if self.target == TRACE && name == "trace" { self.trace() } else { value.clone() };
            // A field must not pass for one of ours.
            let name = if object.contains_key(name) { format!("field.{name}") } else { name.clone() };
            object.insert(name, value);
        }
        let mut text = escape::json(&Value::Object(object).to_string());
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn entry(level: Level, target: &'static str, message: &str, others: Value) -> Entry {
        let Value::Object(others) = others else { panic!("an object") };
        let fields = Fields { message: message.into(), others };
        Entry { time: "2025-11-22T08:15:30.123Z".into(), level, target, fields }
    }

    fn check(entry: &Entry, pretty: Expect, json: Expect) {
        pretty.assert_eq(&entry.pretty(false));
        json.assert_eq(&entry.json());
    }

    #[test]
    fn a_plain_entry_is_one_line_with_its_fields_behind() {
        check(
            &entry(Level::INFO, "nudge::web", "listening", json!({ "port": 3000, "host": "local\nhost" })),
            expect![[r#"
                08:15:30.123 info  listening  port=3000  host=local\nhost
            "#]],
            expect![[r#"
                {"time":"2025-11-22T08:15:30.123Z","level":"info","module":"nudge::web","message":"listening","port":3000,"host":"local\nhost"}
            "#]],
        );
    }

    #[test]
    fn an_error_of_a_script_shows_its_place_and_its_frame_indented() {
        check(
            &entry(
                Level::ERROR,
                SCRIPT,
                "TypeError: x is not a function\nforged 08:15:30.124 info  all is well \x1b[2J",
                json!({
                    "bot": "welcome-bot", "hook": "before_incoming_middleware",
                    "file": "hooks/before_incoming_middleware/a.js", "line": 2, "column": 3, "event": "17",
                    "frame": "  1 | let x\n> 2 |   x()\n    |   ^",
                }),
            ),
            expect![[r#"
                08:15:30.123 error welcome-bot hooks/before_incoming_middleware/a.js:2:3 TypeError: x is not a function
                    forged 08:15:30.124 info  all is well \x1b[2J
                      1 | let x
                    > 2 |   x()
                        |   ^
            "#]],
            expect![[r#"
                {"time":"2025-11-22T08:15:30.123Z","level":"error","module":"script","message":"TypeError: x is not a function\nforged 08:15:30.124 info  all is well \u001b[2J","bot":"welcome-bot","hook":"before_incoming_middleware","file":"hooks/before_incoming_middleware/a.js","line":2,"column":3,"event":"17","frame":"  1 | let x\n> 2 |   x()\n    |   ^"}
            "#]],
        );
    }

    #[test]
    fn a_trace_is_one_line_for_people_and_whole_for_machines() {
        let trace =
            json!({ "eventId": "17", "type": "text", "channel": "web", "target": "u", "botId": "b", "tookMs": 1.5 });
        let fields = json!({ "trace": trace.to_string() });
        check(
            &entry(Level::INFO, TRACE, "event", fields),
            expect![[r#"
            08:15:30.123 info  event 17 text web/u → b  1.5 ms
        "#]],
            expect![[r#"
            {"time":"2025-11-22T08:15:30.123Z","level":"info","module":"trace","message":"event","trace":{"eventId":"17","type":"text","channel":"web","target":"u","botId":"b","tookMs":1.5}}
        "#]],
        );
    }

    #[test]
    fn a_field_cannot_replace_the_level_of_its_entry() {
        let json = entry(Level::INFO, "nudge", "m", json!({ "level": "error" })).json();
        assert!(json.contains(r#""level":"info""#) && json.contains(r#""field.level":"error""#), "{json}");
    }

    #[test]
    fn colour_surrounds_the_parts_only_when_asked_for() {
        let entry = entry(Level::WARN, "nudge", "m", json!({}));
        expect![[r#"
            "\u{1b}[2m08:15:30.123\u{1b}[0m \u{1b}[33;1mwarn \u{1b}[0m m\n"
        "#]]
        .assert_debug_eq(&entry.pretty(true));
    }
}
