//! What `/trace` and `/state` show: an event's steps and a conversation's memory as readable lines.

use std::fmt::Write as _;

use serde_json::Value;

use crate::model::StateSnapshot;
use crate::telemetry::escape::one_line;
use crate::telemetry::trace::duration;

/// An event's steps, one a line. Unknown ones are shown as JSON: a server may be newer than this command.
pub(super) fn trace(trace: &Value) -> String {
    let text = |name: &str| trace[name].as_str().map(one_line).unwrap_or_default();
    let mut out = format!(
        "event {} {} {}/{} → {}",
        text("eventId"),
        text("type"),
        text("channel"),
        text("target"),
        text("botId")
    );
    if let Some(ms) = trace["tookMs"].as_f64() {
        let _ = write!(out, "  {}", duration(ms * 1_000.0));
    }
    for (late, steps) in [("", &trace["steps"]), ("late ", &trace["late"])] {
        for step in steps.as_array().into_iter().flatten().filter(|step| !is_dull(step)) {
            let _ = write!(out, "\n  {late}{}", self::step(step));
        }
    }
    if let Some(why) = trace["ended"].as_str() {
        let _ = write!(out, "\n  ended: {}", one_line(why));
    }
    out
}

/// Built-in hooks that set nothing and failed at nothing.
fn is_dull(step: &Value) -> bool {
    let built_in = step["f"].as_str().is_some_and(|file| file.starts_with("builtin:"));
    step["s"] == "hook" && built_in && step["flags"].is_null() && step["err"].is_null()
}

fn step(step: &Value) -> String {
    let text = |name: &str| step[name].as_str().map(one_line).unwrap_or_default();
    let mut line = match step["s"].as_str().unwrap_or_default() {
        "hook" => format!("hook {}", text("f")),
        "middleware" => format!("middleware {}", text("n")),
        "decision" => format!("decision: {}", text("r")),
        "dialog" => format!("dialog: {}", text("r")),
        "realm" => format!("realm: {}", text("r")),
        "log" => format!("log {}", text("l")),
        "reply" => format!("reply {}", text("t")),
        "event" => format!("sends {}", text("t")),
        "say" => text("i"),
        "action" => format!("action {} ({})", text("n"), text("f")),
        "node" => format!("node {}#{}", text("flow"), text("node")),
        "jump" => format!("jump to {}#{}", text("flow"), text("node")),
        "return" => format!("back to {}#{}", text("flow"), text("node")),
        "transition" => format!("if {} → {}", text("if"), text("to")),
        "wait" => "waits for the user".to_owned(),
        "end" => format!("ends: {}", text("why")),
        "error" => "✗".to_owned(),
        _ => one_line(&step.to_string()),
    };
    if let Some(us) = step["us"].as_f64() {
        let _ = write!(line, "  {}", duration(us));
    }
    for flag in step["flags"].as_array().into_iter().flatten() {
        let _ = write!(line, " ⚑{}", one_line(flag.as_str().unwrap_or("?")));
    }
    if let Some(error) = step["err"].as_str() {
        let mark = if line == "✗" { "" } else { " ✗" };
        let _ = write!(line, "{mark} {}", one_line(error.lines().next().unwrap_or_default()));
    }
    line
}

/// A conversation's memory, part by part.
pub(super) fn state(state: &StateSnapshot) -> String {
    let parts = [
        ("user", &state.user),
        ("session", &state.session),
        ("temp", &state.temp),
        ("context", &state.context),
        ("bot", &state.bot),
    ];
    let part = |(name, json): &(&str, &String)| {
        let value: Value = serde_json::from_str(json).unwrap_or_default();
        let pretty = serde_json::to_string_pretty(&value).unwrap_or_default();
        format!("{name} {}", crate::telemetry::escape::lines(&pretty))
    };
    parts.iter().map(part).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_trace_reads_step_by_step() {
        let shown = trace(&json!({
            "eventId": "1", "type": "text", "channel": "web", "target": "u", "botId": "b", "tookMs": 3.1, "ended": "killed",
            "steps": [
                { "s": "hook", "f": "hooks/x.js", "us": 400, "flags": ["skipDialogEngine"], "err": "TypeError: no\n at" },
                { "s": "hook", "f": "builtin:hooks/y.js", "us": 9 },
                { "s": "error", "err": "TypeError: no" },
                { "s": "decision", "r": "no suggestion matched" },
                { "s": "node", "flow": "main.flow.json", "node": "entry" },
                { "s": "say", "i": "say #!hello" },
                { "s": "reply", "t": "text" },
                { "s": "action", "n": "builtin/wait", "f": "builtin:actions/builtin/wait.js", "us": 1200 },
                { "s": "transition", "if": "true", "to": "x.flow.json" },
                { "s": "jump", "flow": "x.flow.json", "node": "a" },
                { "s": "return", "flow": "main.flow.json", "node": "entry" },
                { "s": "wait" },
                { "s": "end", "why": "END" },
                { "s": "tomorrow" }
            ],
            "late": [{ "s": "reply", "t": "text" }]
        }));
        expect![[r#"
            event 1 text web/u → b  3.1 ms
              hook hooks/x.js  0.4 ms ⚑skipDialogEngine ✗ TypeError: no
              ✗ TypeError: no
              decision: no suggestion matched
              node main.flow.json#entry
              say #!hello
              reply text
              action builtin/wait (builtin:actions/builtin/wait.js)  1.2 ms
              if true → x.flow.json
              jump to x.flow.json#a
              back to main.flow.json#entry
              waits for the user
              ends: END
              {"s":"tomorrow"}
              late reply text
              ended: killed"#]]
        .assert_eq(&shown);
    }

    #[test]
    fn memory_is_shown_part_by_part() {
        let shown = state(&StateSnapshot { user: r#"{"name":"Ada"}"#.into(), ..StateSnapshot::default() });
        expect![[r#"
            user {
              "name": "Ada"
            }
            session {}
            temp {}
            context {}
            bot {}"#]]
        .assert_eq(&shown);
    }
}
