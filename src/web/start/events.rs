//! The last events on the start page: each in a line, and step by step when it is opened.

use std::fmt::Write as _;

use serde_json::Value;

use crate::telemetry::escape::shortened;

use super::markup::shown;

/// Longest text of a step that is shown, in characters; the trace itself has the whole.
const LONGEST: usize = 300;

/// The section; `traces` as [`crate::dispatch::Traces`] gives them, newest first.
pub(super) fn section(out: &mut String, traces: &[String]) {
    out.push_str("<h2>Last events</h2>\n<div class=\"card events\">\n");
    if traces.is_empty() {
        out.push_str(
            "<p class=\"soft\">None yet. Open a chat and say something, or open one of the example pages.</p>\n",
        );
    }
    for trace in traces {
        let Ok(trace) = serde_json::from_str::<Value>(trace) else { continue };
        event(out, &trace);
    }
    out.push_str("</div>\n");
}

fn event(out: &mut String, trace: &Value) {
    let text = |name: &str| shown(trace[name].as_str().unwrap_or_default());
    let steps = || [&trace["steps"], &trace["late"]].into_iter().filter_map(Value::as_array).flatten();
    let replies = steps().filter(|step| step["s"] == "reply").count();
    let wrong = trace["errors"].as_u64().unwrap_or(0) > 0 || trace["ended"].is_string();
    let _ = write!(
        out,
        "<details><summary>{}<strong>{}</strong> from <code>{}</code> to <code>{}</code><span class=\"soft\">{:.1} ms{}</span></summary>\n<ol class=\"steps\">\n",
        if wrong { "<span class=\"bad\">✗</span> " } else { "" },
        text("type"),
        text("target"),
        text("botId"),
        trace["tookMs"].as_f64().unwrap_or(0.0),
        match replies {
            0 => String::new(),
            1 => ", 1 reply".to_owned(),
            more => format!(", {more} replies"),
        }
    );
    if !trace["payload"].is_null() {
        let _ =
            writeln!(out, "<li><code>event.payload</code> is <code>{}</code></li>", cut(&trace["payload"].to_string()));
    }
    for step in steps() {
        self::step(out, step);
    }
    if let Some(ended) = trace["ended"].as_str() {
        let _ = writeln!(out, "<li class=\"bad\">{}</li>", cut(ended));
    }
    let _ = writeln!(
        out,
        "</ol><p class=\"soft\"><a href=\"api/v1/traces/{0}\">Event {0} as JSON</a></p></details>",
        text("eventId")
    );
}

fn step(out: &mut String, step: &Value) {
    let text = |key: &str| cut(step[key].as_str().unwrap_or_default());
    let time = step["us"]
        .as_f64()
        .map(|us| format!(" <span class=\"soft\">{:.1} ms</span>", us / 1_000.0))
        .unwrap_or_default();
    let mut line = match step["s"].as_str().unwrap_or_default() {
        "hook" => format!("hook <code>{}</code>{time}", text("f")),
        "middleware" => format!("middleware {}{time}", text("n")),
        "action" => format!("action <code>{}</code>{time}", text("n")),
        "reply" => format!("reply <strong>{}</strong>", text("t")),
        "event" => format!("sends an event <strong>{}</strong>", text("t")),
        "node" => format!("node <code>{}</code> of <code>{}</code>", text("node"), text("flow")),
        "say" => format!("says <code>{}</code>", text("i")),
        "transition" => format!("if <code>{}</code> to <code>{}</code>", text("if"), text("to")),
        "jump" => format!("jumps to <code>{}</code> of <code>{}</code>", text("node"), text("flow")),
        "return" => format!("back to <code>{}</code> of <code>{}</code>", text("node"), text("flow")),
        "wait" => "waits for the user".to_owned(),
        "end" => format!("ends: {}", text("why")),
        "decision" | "dialog" | "realm" => format!("{}: {}", text("s"), text("r")),
        "log" => format!("logs ({})", text("l")),
        // Its text follows.
        "error" => String::new(),
        other => cut(other),
    };
    let flags: Vec<&str> = step["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !flags.is_empty() {
        let _ = write!(line, " <span class=\"good\">{}</span>", shown(&flags.join(", ")));
    }
    if let Some(error) = step["err"].as_str() {
        let _ = write!(line, " <span class=\"bad\">{}</span>", cut(error));
    }
    let _ = writeln!(out, "<li>{line}</li>");
}

/// A text as HTML, not too long.
fn cut(text: &str) -> String {
    shown(&shortened(text, LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_line_and_its_steps() {
        let trace = r#"{"eventId":"7","botId":"b","type":"<i>","target":"ada","tookMs":1.25,"errors":1,"steps":[
            {"s":"hook","k":"x","f":"hooks/a.js","us":400,"flags":["skipDialogEngine"],"err":"<b>no"},{"s":"reply","t":"text"}],"late":[]}"#;
        let mut out = String::new();
        section(&mut out, &[trace.to_owned()]);
        for part in
            ["✗", "&lt;i&gt;", "1.2 ms, 1 reply", "hooks/a.js", "0.4 ms", "skipDialogEngine", "&lt;b&gt;no", "traces/7"]
        {
            assert!(out.contains(part), "{part}: {out}");
        }
    }

    #[test]
    fn a_long_step_is_cut() {
        assert_eq!(cut(&"é".repeat(LONGEST + 1)).chars().count(), LONGEST + 1);
    }
}
