//! The trace of one event as one readable line.

use std::fmt::Write as _;

use serde_json::Value;

use super::escape;

/// One line for a trace `{ eventId, type, channel, target, botId, tookMs, errors, ended?, steps, late }`, for example
/// `event 179533009130405440 proactive-trigger web/visitor-1 → welcome-bot  3.1 ms  before_incoming_middleware/proactive.js 0.4 ms ⚑skipDialogEngine → 2 replies`.
///
/// Built-in hooks that set nothing and failed at nothing are left out. Unknown fields and steps are ignored, missing
/// ones left out: a trace of a newer worker still reads.
pub fn render_trace(trace: &Value) -> String {
    let text = |name: &str| trace[name].as_str().map(safe).unwrap_or_default();
    let channel = trace["channel"].as_str().map(|channel| format!("{}/", safe(channel))).unwrap_or_default();
    let mut line =
        format!("event {} {} {channel}{} → {}", text("eventId"), text("type"), text("target"), text("botId"));
    if let Some(ms) = trace["tookMs"].as_f64() {
        let _ = write!(line, "  {}", duration(ms * 1_000.0));
    }
    let (mut replies, mut logs) = (0, 0);
    let steps = || [&trace["steps"], &trace["late"]].into_iter().filter_map(Value::as_array).flatten();
    // An error of a hook or an action is a step of its own and stands with it; that of an action goes on with its place.
    let told = |error: &Value| {
        steps().any(|step| match (step["s"].as_str(), step["err"].as_str(), error.as_str()) {
            // The entry of a hook that was stopped says more than the step does.
            (Some("hook"), Some(own), Some(error)) => error.contains(own),
            (Some("action"), Some(own), Some(error)) => error.starts_with(own),
            _ => false,
        })
    };
    for step in steps() {
        match step["s"].as_str() {
            Some("reply") => replies += 1,
            Some("log") => logs += 1,
            Some("hook") => hook(step, &mut line),
            Some("middleware") => named("middleware", &step["n"], step, &mut line),
            Some("action") => named("action", &step["n"], step, &mut line),
            // Most events have no suggestions.
            Some("decision") if step["r"].as_str().is_some_and(|reason| reason.starts_with("no suggestion")) => {}
            Some("decision") => reason("decision", step, &mut line),
            Some("dialog") => reason("dialog", step, &mut line),
            Some("node") => place("", step, &mut line),
            Some("jump") => place("jump to ", step, &mut line),
            Some("return") => place("back to ", step, &mut line),
            Some("end") => {
                let _ = write!(line, "  end: {}", safe(step["why"].as_str().unwrap_or("?")));
            }
            Some("realm") => reason("realm", step, &mut line),
            Some("event") => named("sent", &step["t"], step, &mut line),
            Some("error") if told(&step["err"]) => {}
            Some("error") => {
                let _ = write!(line, "  ✗ {}", safe(first_line(step["err"].as_str().unwrap_or("?"))));
            }
            _ => {}
        }
    }
    if let Some(ended) = trace["ended"].as_str() {
        let _ = write!(line, "  ✗ {}", safe(first_line(ended)));
    }
    if replies > 0 {
        let _ = write!(line, " → {}", counted(replies, "reply", "replies"));
    }
    if logs > 0 {
        let _ = write!(line, ", {}", counted(logs, "log line", "log lines"));
    }
    line
}

/// `1 reply`, `2 replies`.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

fn hook(step: &Value, line: &mut String) {
    let path = step["f"].as_str().unwrap_or_default();
    let flags = step["flags"].as_array().map(Vec::as_slice).unwrap_or_default();
    if path.starts_with("builtin:") && flags.is_empty() && step["err"].is_null() {
        return;
    }
    let short = path.trim_start_matches("builtin:");
    let short = short.strip_prefix("data/global/").unwrap_or(short);
    let short = short.strip_prefix("hooks/").unwrap_or(short);
    named("", &Value::from(short), step, line);
}

/// `what name 0.4 ms ⚑flag ✗ error`
fn named(what: &str, name: &Value, step: &Value, line: &mut String) {
    line.push_str("  ");
    if !what.is_empty() {
        let _ = write!(line, "{what} ");
    }
    line.push_str(&safe(name.as_str().unwrap_or("?")));
    if let Some(us) = step["us"].as_f64() {
        let _ = write!(line, " {}", duration(us));
    }
    for flag in step["flags"].as_array().map(Vec::as_slice).unwrap_or_default() {
        let _ = write!(line, " ⚑{}", safe(flag.as_str().unwrap_or("?")));
    }
    if let Some(error) = step["err"].as_str() {
        let _ = write!(line, " ✗ {}", safe(first_line(error)));
    }
}

/// `main#entry`
fn place(what: &str, step: &Value, line: &mut String) {
    let flow = step["flow"].as_str().unwrap_or("?");
    let flow = flow.strip_suffix(".flow.json").unwrap_or(flow);
    let _ = write!(line, "  {what}{}#{}", safe(flow), safe(step["node"].as_str().unwrap_or("?")));
}

fn reason(what: &str, step: &Value, line: &mut String) {
    match step["r"].as_str() {
        Some(reason) => {
            let _ = write!(line, "  {what}: {}", safe(reason));
        }
        None => {
            let _ = write!(line, "  {what}");
        }
    }
    if let Some(error) = step["err"].as_str() {
        let _ = write!(line, " ✗ {}", safe(first_line(error)));
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn safe(text: &str) -> String {
    escape::one_line(&escape::shortened(text, 120))
}

/// Microseconds as people read them: `0.4 ms`, `31 ms`, `1.2 s`.
pub(crate) fn duration(us: f64) -> String {
    match us {
        us if us < 9_950.0 => format!("{:.1} ms", us / 1_000.0),
        us if us < 999_500.0 => format!("{:.0} ms", us / 1_000.0),
        us => format!("{:.1} s", us / 1_000_000.0),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn check(trace: &Value, expected: Expect) {
        let line = render_trace(trace);
        assert!(!line.contains('\n'));
        expected.assert_eq(&line);
    }

    #[test]
    fn the_documented_hook_reads_as_one_line() {
        check(
            &json!({
                "eventId": "179533009130405440", "type": "proactive-trigger", "channel": "web", "target": "visitor-1",
                "botId": "welcome-bot", "tookMs": 3.112,
                "steps": [
                    { "s": "hook", "f": "hooks/before_incoming_middleware/proactive.js", "k": "before_incoming_middleware", "us": 412, "flags": ["skipDialogEngine"] },
                    { "s": "hook", "f": "builtin:hooks/after_incoming_middleware/00_skip.js", "k": "after_incoming_middleware", "us": 9, "flags": [] },
                    { "s": "log", "l": "info" },
                    { "s": "reply", "t": "typing" },
                    { "s": "reply", "t": "text" },
                ],
            }),
            expect![[
                "event 179533009130405440 proactive-trigger web/visitor-1 → welcome-bot  3.1 ms  before_incoming_middleware/proactive.js 0.4 ms ⚑skipDialogEngine → 2 replies, 1 log line"
            ]],
        );
    }

    #[test]
    fn errors_decisions_and_the_dialog_are_named() {
        check(
            &json!({
                "eventId": "1", "type": "text", "channel": "api", "target": "u", "botId": "b", "tookMs": 1_250, "ended": "killed",
                "steps": [
                    { "s": "error", "err": "TypeError: no\n  at x" },
                    { "s": "decision", "r": "no suggestion matched" },
                    { "s": "hook", "f": "builtin:hooks/after_incoming_middleware/x.js", "us": 31_400, "err": "TypeError: no\n  at x" },
                    { "s": "middleware", "n": "analytics", "us": 100 },
                    { "s": "decision", "r": "elected \"qna\"" },
                    { "s": "dialog", "r": "no flow" },
                    { "s": "realm", "r": "fresh: the last one hit a limit" },
                    { "s": "event", "t": "follow-up" },
                    { "s": "error", "err": "out of memory" },
                    { "s": "tomorrow" },
                    { "s": "reply" },
                ],
            }),
            expect![[
                r#"event 1 text api/u → b  1.2 s  after_incoming_middleware/x.js 31 ms ✗ TypeError: no  middleware analytics 0.1 ms  decision: elected "qna"  dialog: no flow  realm: fresh: the last one hit a limit  sent follow-up  ✗ out of memory  ✗ killed → 1 reply"#
            ]],
        );
    }

    #[test]
    fn a_hook_that_was_stopped_is_told_once() {
        check(
            &json!({
                "eventId": "1", "type": "loop", "channel": "web", "target": "u", "botId": "b", "tookMs": 1_200,
                "steps": [
                    { "s": "error", "err": "TimeoutError: the script computed for more than 1000 ms; it was stopped" },
                    { "s": "hook", "f": "hooks/before_incoming_middleware/x.js", "us": 1_200_000, "err": "computed for more than 1000 ms" },
                ],
            }),
            expect![[
                r#"event 1 loop web/u → b  1.2 s  before_incoming_middleware/x.js 1.2 s ✗ computed for more than 1000 ms"#
            ]],
        );
    }

    #[test]
    fn a_dialog_is_told_by_its_nodes_and_actions() {
        check(
            &json!({
                "eventId": "1", "type": "text", "channel": "api", "target": "u", "botId": "b", "tookMs": 2,
                "steps": [
                    { "s": "transition", "if": "true", "to": "skills/x.flow.json" },
                    { "s": "node", "flow": "skills/x.flow.json", "node": "entry" },
                    { "s": "say", "i": "say #!x" },
                    { "s": "reply", "t": "text" },
                    { "s": "return", "flow": "main.flow.json", "node": "two" },
                    { "s": "jump", "flow": "main.flow.json", "node": "three" },
                    { "s": "action", "n": "builtin/wait", "f": "builtin:actions/builtin/wait.js", "us": 100, "err": "Error: no" },
                    { "s": "error", "err": "Error: no (main.flow.json, node \"three\": builtin/wait)" },
                    { "s": "wait" },
                    { "s": "end", "why": "timeout" },
                ],
            }),
            expect![[
                r#"event 1 text api/u → b  2.0 ms  skills/x#entry  back to main#two  jump to main#three  action builtin/wait 0.1 ms ✗ Error: no  end: timeout → 1 reply"#
            ]],
        );
    }

    #[test]
    fn text_of_strangers_is_escaped_and_missing_parts_are_left_out() {
        check(
            &json!({ "eventId": "1", "type": "a\u{1b}[31m\nb", "target": "u", "botId": "b" }),
            expect![[r"event 1 a\x1b[31m\nb u → b"]],
        );
        check(&json!(null), expect!["event    → "]);
    }
}
