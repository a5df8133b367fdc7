//! A log entry as text: collected from `tracing`, written as one readable line or as one JSON object.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use super::folding::{Folding, LeftOut, Origin, Verdict};
use super::writer::LineWriter;
use super::{escape, trace};
use crate::config::secrets::Secrets;

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
    pub(super) folding: Arc<Mutex<Folding>>,
}

impl<S: Subscriber> Layer<S> for LineLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (now, metadata) = (SystemTime::now(), event.metadata());
        let (level, target) = (*metadata.level(), metadata.target());
        let mut origin =
            Origin { source: (metadata.file().unwrap_or(""), metadata.line().unwrap_or(0)), ..<_>::default() };
        event.record(&mut origin);
        let (over, verdict, (most, secrets)) = {
            let mut folding = self.folding.lock();
            let written = (folding.limits().text, folding.secrets.clone());
            (folding.over(millis(now)), folding.admit(level, target, &origin), written)
        };
        for left_out in over {
            self.writer.write(written(left_out, now, self.format));
        }
        if verdict == Verdict::LeftOut {
            return;
        }
        let mut fields = Fields { most, secrets, ..Fields::default() };
        event.record(&mut fields);
        if let Verdict::Quoted(place) = verdict {
            let message = if target == TRACE { "" } else { &fields.message };
            self.folding.lock().quote(place, message);
            return self.writer.left_out();
        }
        let text = Entry { time: time(now), level, target, fields }.text(self.format);
        self.folding.lock().wrote(origin.bot.is_some(), text.len());
        self.writer.write(text);
    }
}

/// RFC 3339 in UTC, with milliseconds.
fn time(now: SystemTime) -> String {
    humantime::format_rfc3339_millis(now).to_string()
}

pub(super) fn millis(now: SystemTime) -> u64 {
    now.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The entry that says what was left out.
pub(super) fn written(left_out: LeftOut, now: SystemTime, format: LogFormat) -> String {
    let mut fields = Fields { message: left_out.message(), ..Fields::default() };
    let LeftOut { level, target, origin, times, .. } = left_out;
    let texts = [("bot", origin.bot), ("hook", origin.hook), ("file", origin.file)];
    for (name, text) in texts.into_iter().filter_map(|(name, text)| Some((name, text?))) {
        fields.others.insert(name.into(), text.into());
    }
    fields.others.extend(origin.line.map(|line| ("line".to_owned(), line.into())));
    if format == LogFormat::Json {
        fields.others.insert("leftOut".into(), times.into());
    }
    // What was left out is no trace.
    let target = if target == TRACE { module_path!() } else { target };
    Entry { time: time(now), level, target, fields }.text(format)
}

/// Characters of a name that says where an entry comes from.
const NAMED: usize = 200;

impl Visit for Origin {
    fn record_str(&mut self, field: &Field, value: &str) {
        let place = match field.name() {
            "bot" => &mut self.bot,
            "hook" => &mut self.hook,
            "file" => &mut self.file,
            _ => return,
        };
        *place = Some(escape::shortened(value, NAMED));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "line" {
            self.line = Some(value);
        }
    }
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if matches!(field.name(), "bot" | "hook" | "file") {
            self.record_str(field, &format!("{value:?}"));
        }
    }
}

#[derive(Default)]
struct Fields {
    /// Longest text, in bytes; 0 is no limit.
    most: usize,
    /// What must not be read.
    secrets: Secrets,
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let value = match value {
            // It is JSON, and read before it is written.
            Value::String(text) if field.name() == "trace" => Value::String(self.secrets.hide_json(&text).into_owned()),
            Value::String(text) => Value::String(self.cut(self.hidden(text))),
            other => other,
        };
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => drop(self.others.insert(name.to_owned(), value)),
        }
    }

    fn hidden(&self, text: String) -> String {
        match self.secrets.hide(&text) {
            Cow::Owned(hidden) => hidden,
            Cow::Borrowed(_) => text,
        }
    }

    fn cut(&self, mut text: String) -> String {
        let left = text.len().saturating_sub(self.most);
        if self.most > 0 && left > 0 {
            text.truncate(text.floor_char_boundary(self.most));
            let _ = write!(text, "… ({left} bytes more, `log.text` is {})", self.most);
        }
        text
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
    fn text(&self, format: LogFormat) -> String {
        match format {
            LogFormat::Pretty { colour } => self.pretty(colour),
            LogFormat::Json => self.json(),
        }
    }

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

    /// The trace for machines; one that is too long is the line that people see.
    fn whole_trace(&self) -> Value {
        let trace = self.trace();
        let bytes = self.fields.text("trace").map_or(0, str::len);
        if self.fields.most == 0 || bytes <= self.fields.most {
            return trace;
        }
        serde_json::json!({ "eventId": trace["eventId"], "bytes": bytes, "line": trace::render_trace(&trace) })
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
            let value = match (self.target, &**name) {
                // It is in the trace.
                (TRACE, "bot") => continue,
                (TRACE, "trace") => self.whole_trace(),
                _ => value.clone(),
            };
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
        let fields = Fields { message: message.into(), others, ..Fields::default() };
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
