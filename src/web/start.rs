//! `/` in development: what the server has, what goes wrong in it, and how to begin. Made of what is there, at each request;
//! no script runs in it.

mod events;
pub(super) mod examples;
mod markup;

use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::config::hook_folder;
use crate::dispatch::Fault;
use crate::program::{HOOK_KINDS, Role};
use crate::reload::{Problem, Workspace, is_built_in};

use super::cached::cached_text;
use super::error::{HTML, answer};
use super::state::Web;
use markup::{block, head, secured, shown};

/// The style sheet of all these pages.
const STYLE: &str = include_str!("start.css");
/// How many of the last events are shown.
const EVENTS: usize = 20;
/// How many problems and errors are shown.
const WRONG: usize = 10;

/// The first hook that a reader may save.
const FIRST_HOOK: &str = "if (event.type === 'text') {
  bp.events.replyToEvent(event, [{ type: 'text', text: 'You said: ' + event.preview }])
}
";

/// `GET /`.
pub(crate) async fn page(State(web): State<Web>) -> Response<Body> {
    let workspace = web.workspace.borrow().clone();
    let mut out = head("nudge", "start.css");
    let _ = write!(
        out,
        "<header><h1>nudge</h1><span class=\"soft\">{} serves <code>{}</code></span><a class=\"grow\" href=\"./\">Reload</a></header>\n<main>\n",
        env!("CARGO_PKG_VERSION"),
        shown(&workspace.root.display().to_string())
    );
    if let Some(trouble) = web.store.trouble() {
        let _ = writeln!(
            out,
            "<div class=\"card wrong\"><h3>Nothing can be stored</h3><p>{}</p><p class=\"soft\">Requests are refused with 503 until then.</p></div>",
            shown(&trouble.why)
        );
    }
    let problems: Vec<Problem> =
        workspace.problems.iter().take(WRONG).map(|problem| problem.without(&web.settings.secrets)).collect();
    wrong(&mut out, &problems, workspace.problems.len(), &web.dispatcher.faults(), web.clock.now());
    bots(&mut out, &workspace);
    first_hook(&mut out, &workspace);
    hooks(&mut out, &workspace);
    events::section(&mut out, &web.dispatcher.traces().last(EVENTS));
    out.push_str(
        "</main>\n<footer>This page is there in development only. More: <a href=\"status\">status</a>, \
         <a href=\"metrics\">metrics</a>.</footer>\n</body>\n</html>\n",
    );
    secured(answer(StatusCode::OK, HTML, out), "default-src 'none'; style-src 'self'; img-src data:")
}

/// `GET /start.css`.
pub(crate) async fn style(asked: HeaderMap) -> Response<Body> {
    cached_text(&asked, HeaderValue::from_static("text/css; charset=utf-8"), STYLE.to_owned())
}

/// Problems of files and errors of scripts, first, where there are any; of `all_problems` only the first are there.
fn wrong(out: &mut String, problems: &[Problem], all_problems: usize, faults: &[Fault], now: u64) {
    if problems.is_empty() && faults.is_empty() {
        return;
    }
    out.push_str("<h2>What is wrong</h2>\n");
    for problem in problems {
        let place = match (problem.line, problem.column) {
            (Some(line), Some(column)) => format!("{}:{line}:{column}", problem.path),
            _ => problem.path.clone(),
        };
        let class = if problem.fatal { "card wrong" } else { "card" };
        let _ = write!(
            out,
            "<div class=\"{class}\"><h3><code>{}</code></h3><p>{}</p>",
            shown(&place),
            shown(&problem.message)
        );
        frame(out, problem.frame.as_deref());
        if let Some(help) = &problem.help {
            let _ = write!(out, "<p class=\"soft\">{}</p>", shown(help));
        }
        out.push_str("</div>\n");
    }
    for fault in faults.iter().take(WRONG) {
        let line = &fault.line;
        let place = match (&line.file, line.line) {
            (Some(file), Some(number)) => format!("{file}:{number}"),
            (Some(file), None) => file.clone(),
            (None, _) => line.hook.clone().unwrap_or_else(|| "a script".to_owned()),
        };
        let mut when = ago(now.saturating_sub(fault.at));
        if fault.times > 1 {
            let _ = write!(when, ", {} times", fault.times);
        }
        if let Some(bot) = &line.bot {
            let _ = write!(when, ", {}", shown(bot));
        }
        if let Some(event) = fault.event {
            let _ = write!(when, ", <a href=\"api/v1/traces/{event}\">event {event}</a>");
        }
        let _ = write!(
            out,
            "<div class=\"card wrong\"><h3><code>{}</code></h3><p class=\"soft\">{when}</p>",
            shown(&place)
        );
        // Frames are part of some messages already.
        let _ = write!(out, "<pre class=\"says\">{}</pre>", block(&line.message));
        frame(out, line.frame.as_deref().filter(|frame| !line.message.contains(frame)));
        out.push_str("</div>\n");
    }
    more(out, all_problems.saturating_sub(WRONG), faults.len().saturating_sub(WRONG));
}

/// How many are not shown, and where they are: what scripts ran into is in the log alone.
fn more(out: &mut String, problems: usize, faults: usize) {
    let counted = |count: usize, name: &str| format!("{count} more {name}{}", if count == 1 { "" } else { "s" });
    if problems > 0 {
        let count = counted(problems, "problem");
        let _ = writeln!(out, "<p class=\"soft\">And {count} of files: <code>nudge check</code> names them all.</p>");
    }
    if faults > 0 {
        let count = counted(faults, "error");
        let _ = writeln!(out, "<p class=\"soft\">And {count} of scripts that ran: the log names them all.</p>");
    }
}

fn frame(out: &mut String, frame: Option<&str>) {
    if let Some(frame) = frame {
        let _ = write!(out, "<pre>{}</pre>", block(frame));
    }
}

/// `3 s ago`, `5 min ago`, `2 h ago`.
fn ago(milliseconds: u64) -> String {
    match milliseconds / 1_000 {
        0 => "just now".to_owned(),
        seconds @ 1..=59 => format!("{seconds} s ago"),
        seconds @ 60..=3_599 => format!("{} min ago", seconds / 60),
        seconds => format!("{} h ago", seconds / 3_600),
    }
}

fn bots(out: &mut String, workspace: &Workspace) {
    out.push_str("<h2>Bots</h2>\n<div class=\"cards\">\n");
    for (id, bot) in &workspace.bots {
        let _ = write!(out, "<div class=\"card\"><h3>{} <code class=\"soft\">{id}</code></h3>", shown(&bot.name));
        if !bot.description.is_empty() {
            let _ = write!(out, "<p class=\"soft\">{}</p>", shown(&bot.description));
        }
        if bot.disabled {
            out.push_str("<p class=\"bad\">Disabled in its bot.config.json</p>");
        } else if bot.private {
            out.push_str(
                "<p class=\"soft\">Private: callers need a token (<code>nudge token</code>), so there is no chat on pages. \
                 Talk to it with <code>nudge chat</code>.</p>",
            );
        } else {
            let _ = write!(out, "<ul class=\"links\"><li><a href=\"s/{id}\">Chat</a></li>");
            for example in examples::EXAMPLES {
                let _ = write!(out, "<li><a href=\"examples/{}?bot={id}\">{}</a></li>", example.name, example.short);
            }
            out.push_str("</ul>");
        }
        out.push_str("</div>\n");
    }
    out.push_str("</div>\n");
}

fn first_hook(out: &mut String, workspace: &Workspace) {
    let folder = hook_folder(&workspace.root);
    let _ = write!(
        out,
        "<h2>Drop a hook</h2>\n<div class=\"card\"><p>Save this as <code>{folder}/before_incoming_middleware/hello.js</code>, \
         and say something to a bot. It is in service at once; change it, and the next event has the change.</p><pre>{}</pre></div>\n",
        block(FIRST_HOOK)
    );
}

fn hooks(out: &mut String, workspace: &Workspace) {
    out.push_str("<h2>Hooks in service</h2>\n<div class=\"card\"><dl>\n");
    for row in &HOOK_KINDS {
        let of_kind = workspace
            .program
            .scripts
            .iter()
            .filter(|script| matches!(script.role, Role::Hook(kind) if kind == row.kind));
        let (mut own, mut built_in) = (Vec::new(), 0);
        for script in of_kind {
            if is_built_in(&script.path, &script.source) { built_in += 1 } else { own.push(&*script.path) }
        }
        if own.is_empty() && built_in == 0 {
            continue;
        }
        let _ = write!(out, "<dt title=\"{}\"><code>{}</code></dt><dd>", shown(row.when), row.folder);
        for path in own {
            let _ = write!(out, "<code>{}</code><br>", shown(path));
        }
        if built_in > 0 {
            let _ = write!(out, "<span class=\"soft\">{built_in} built in</span>");
        }
        out.push_str("</dd>\n");
    }
    out.push_str("</dl></div>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_files_or_scripts_say_becomes_markup() {
        let mut out = String::new();
        let problem = Problem::error("hooks/<b>.js", "<script>alert(1)</script>").help("\"><img>");
        wrong(&mut out, &[problem], 1, &[], 0);
        assert!(out.contains("hooks/&lt;b&gt;.js") && out.contains("&lt;script&gt;alert(1)"), "{out}");
        assert!(!out.contains("<img>") && !out.contains("<script>"), "{out}");
        assert_eq!(shown("a\n\"b\""), "a\\n&quot;b&quot;");
    }

    #[test]
    fn times_are_said_as_people_say_them() {
        let said: Vec<String> = [999, 1_000, 61_000, 7_300_000].map(ago).into();
        assert_eq!(said, ["just now", "1 s ago", "1 min ago", "2 h ago"]);
    }

    #[test]
    fn what_is_not_shown_is_where_it_is_said_to_be() {
        let said = |problems, faults| {
            let mut out = String::new();
            more(&mut out, problems, faults);
            out
        };
        assert_eq!(said(0, 0), "");
        assert!(said(1, 0).contains("And 1 more problem of files: <code>nudge check</code> names them all."));
        let faults = said(0, 17);
        assert!(faults.contains("And 17 more errors of scripts that ran: the log names them all."), "{faults}");
        assert!(!faults.contains("check"), "{faults}");
    }
}
