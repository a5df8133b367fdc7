//! What the server says when it is up: where, which bots, which hooks, and where the first one goes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::program::{HookKind, Program, Role};
use crate::telemetry::escape;

/// Everything the greeting says.
#[derive(Debug)]
pub(super) struct Greeting {
    /// The workspace.
    pub(super) root: PathBuf,
    /// Where it can be reached, such as `http://localhost:3000`.
    pub(super) url: String,
    /// Set when the port is not the usual one because that one is taken.
    pub(super) other_port: Option<u16>,
    /// Mounted bots: id and name.
    pub(super) bots: Vec<(String, String)>,
    /// The first of them that anybody may talk to.
    pub(super) open_bot: Option<String>,
    /// Bots that are switched off.
    pub(super) disabled: Vec<String>,
    /// The hooks in service.
    pub(super) hooks: HookCount,
    /// How processes of scripts are locked in, such as `seccomp+landlock`.
    pub(super) lock_in: String,
    /// Folder of hooks relative to the workspace, by its layout.
    pub(super) hook_folder: String,
    /// Whether changes are picked up.
    pub(super) watching: bool,
    /// Whether to leave out hints for beginners.
    pub(super) production: bool,
    /// Errors and warnings that were printed before.
    pub(super) problems: (usize, usize),
}

/// How many hooks there are of each kind.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct HookCount {
    /// The user's own.
    pub(super) own: BTreeMap<HookKind, usize>,
    /// Those that come with the server.
    pub(super) built_in: usize,
}

impl HookCount {
    /// Counts the hooks of a program. `is_built_in` tells whether a script of that path and text is one of ours: in a
    /// checkout of the server the built-ins lie in the workspace.
    pub(super) fn of(program: &Program, is_built_in: impl Fn(&str, &str) -> bool) -> Self {
        let mut count = Self::default();
        for script in &program.scripts {
            let Role::Hook(kind) = script.role else { continue };
            if is_built_in(&script.path, &script.source) {
                count.built_in += 1;
            } else {
                *count.own.entry(kind).or_default() += 1;
            }
        }
        count
    }
}

/// Column at which values begin.
const INDENT: &str = "           ";

impl Greeting {
    /// As printed for people.
    pub(super) fn render(&self) -> String {
        let mut out = format!(
            "nudge {} serves {}\n\n",
            env!("CARGO_PKG_VERSION"),
            escape::one_line(&self.root.display().to_string())
        );
        let _ = write!(out, "  listening  {}", self.url);
        if let Some(taken) = self.other_port {
            let _ = write!(out, "   (port {taken} is taken)");
        }
        out.push('\n');
        self.bots(&mut out);
        self.hooks(&mut out);
        let state = match self.lock_in.as_str() {
            "off" => "NOT locked in (scripts.lockIn is \"off\")".to_owned(),
            "limits" => "limited, not locked in (this system has no seccomp)".to_owned(),
            how => format!("locked in ({how})"),
        };
        let _ = writeln!(out, "  scripts    in a process each, {state}");
        match self.problems {
            (0, 0) => {}
            (errors, warnings) => {
                let _ = writeln!(out, "  problems   {}, see above", problem_count(errors, warnings));
            }
        }
        // Where there is no bot to talk to without a token, the problems above come first.
        if let Some(bot) = self.open_bot.as_ref().filter(|_| self.hooks.own.is_empty() && !self.production) {
            self.first_hook(&mut out, bot);
        }
        out
    }

    /// As one entry of the log.
    pub(super) fn log(&self) {
        let bots: Vec<&str> = self.bots.iter().map(|(id, _)| id.as_str()).collect();
        tracing::info!(
            url = self.url,
            workspace = %self.root.display(),
            bots = bots.join(","),
            hooks = self.hooks.own.values().sum::<usize>(),
            built_in_hooks = self.hooks.built_in,
            lock_in = self.lock_in,
            errors = self.problems.0,
            warnings = self.problems.1,
            version = env!("CARGO_PKG_VERSION"),
            "listening"
        );
    }

    fn bots(&self, out: &mut String) {
        let widest = self.bots.iter().map(|(id, _)| id.len()).max().unwrap_or(0);
        let mut label = "  bots       ";
        if self.bots.is_empty() {
            let _ = writeln!(out, "{label}none");
        }
        for (id, name) in &self.bots {
            let name = if name == id { String::new() } else { format!("   {}", escape::one_line(name)) };
            let _ = writeln!(out, "{}", format!("{label}{id:widest$}{name}").trim_end());
            label = "             ";
        }
        if !self.disabled.is_empty() {
            let _ = writeln!(out, "{INDENT}  disabled: {}", self.disabled.join(", "));
        }
    }

    fn hooks(&self, out: &mut String) {
        let own: Vec<String> =
            self.hooks.own.iter().map(|(kind, count)| format!("{count} {}", kind.folder())).collect();
        let own = if own.is_empty() { "none of yours".to_owned() } else { own.join(", ") };
        let watching = if self.watching { "; changes take effect at once" } else { "" };
        let _ = writeln!(out, "  hooks      {own}; {} built in{watching}", self.hooks.built_in);
    }

    fn first_hook(&self, out: &mut String, bot: &str) {
        let file = format!("{}/before_incoming_middleware/hello.js", self.hook_folder);
        let then = if self.watching { "and talk to it" } else { "restart, and talk to it" };
        let _ = write!(
            out,
            "\n  To begin, save this as {file}\n\n{FIRST_HOOK}\n  {then}\n\n    \
             curl {}/api/v1/bots/{bot}/converse/visitor-1 -H 'content-type: application/json' \\\n         \
             -d '{{\"type\":\"text\",\"text\":\"Hello\"}}'\n\n  \
             What it did, bots and problems: open {} in a browser\n",
            self.url, self.url
        );
    }
}

/// A first hook, three lines.
const FIRST_HOOK: &str = "    if (event.type === 'text') {
      bp.events.replyToEvent(event, [{ type: 'text', text: 'You said: ' + event.preview }])
    }
";

/// `1 error, 2 warnings`.
pub(in crate::cli) fn problem_count(errors: usize, warnings: usize) -> String {
    let part = |count: usize, name: &str| match count {
        0 => None,
        1 => Some(format!("1 {name}")),
        count => Some(format!("{count} {name}s")),
    };
    let parts: Vec<String> = [part(errors, "error"), part(warnings, "warning")].into_iter().flatten().collect();
    if parts.is_empty() { "no problems".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use expect_test::expect;

    use super::*;
    use crate::program::{Script, Shape};

    fn greeting() -> Greeting {
        Greeting {
            root: "/srv/bots".into(),
            url: "http://localhost:3000".into(),
            other_port: None,
            bots: vec![("welcome-bot".into(), "Welcome Bot".into()), ("shop".into(), "shop".into())],
            open_bot: Some("welcome-bot".into()),
            disabled: vec![],
            hooks: HookCount { own: BTreeMap::new(), built_in: 7 },
            lock_in: "seccomp+landlock".into(),
            hook_folder: "hooks".into(),
            watching: true,
            production: false,
            problems: (0, 0),
        }
    }

    #[test]
    fn a_workspace_without_hooks_is_told_how_to_begin() {
        expect![[r#"
            nudge 0.1.0 serves /srv/bots

              listening  http://localhost:3000
              bots       welcome-bot   Welcome Bot
                         shop
              hooks      none of yours; 7 built in; changes take effect at once
              scripts    in a process each, locked in (seccomp+landlock)

              To begin, save this as hooks/before_incoming_middleware/hello.js

                if (event.type === 'text') {
                  bp.events.replyToEvent(event, [{ type: 'text', text: 'You said: ' + event.preview }])
                }

              and talk to it

                curl http://localhost:3000/api/v1/bots/welcome-bot/converse/visitor-1 -H 'content-type: application/json' \
                     -d '{"type":"text","text":"Hello"}'

              What it did, bots and problems: open http://localhost:3000 in a browser
        "#]]
        .assert_eq(&greeting().render());
    }

    #[test]
    fn a_workspace_with_hooks_is_told_what_is_in_service() {
        let greeting = Greeting {
            url: "http://localhost:3001".into(),
            other_port: Some(3000),
            bots: vec![],
            disabled: vec!["old".into()],
            hooks: HookCount {
                own: [(HookKind::BeforeIncomingMiddleware, 2), (HookKind::AfterEventProcessed, 1)].into(),
                built_in: 6,
            },
            lock_in: "off".into(),
            watching: false,
            problems: (1, 2),
            ..greeting()
        };
        expect![[r#"
            nudge 0.1.0 serves /srv/bots

              listening  http://localhost:3001   (port 3000 is taken)
              bots       none
                         disabled: old
              hooks      2 before_incoming_middleware, 1 after_event_processed; 6 built in
              scripts    in a process each, NOT locked in (scripts.lockIn is "off")
              problems   1 error, 2 warnings, see above
        "#]]
        .assert_eq(&greeting.render());
    }

    #[test]
    fn where_there_is_no_bot_nobody_is_told_to_talk_to_one() {
        let greeting = Greeting { bots: vec![], open_bot: None, problems: (1, 0), ..greeting() }.render();
        assert!(!greeting.contains("To begin") && greeting.ends_with("problems   1 error, see above\n"), "{greeting}");
    }

    #[test]
    fn the_bot_that_is_talked_to_is_one_that_needs_no_token() {
        let greeting = Greeting { open_bot: Some("shop".into()), ..greeting() }.render();
        assert!(greeting.contains("/api/v1/bots/shop/converse/visitor-1"), "{greeting}");
    }

    #[test]
    fn hooks_of_the_user_are_counted_apart_from_built_in_ones() {
        let script =
            |path: &str, role| Arc::new(Script { path: path.into(), source: "".into(), role, shape: Shape::default() });
        let program = Program {
            scripts: vec![
                script("builtin:hooks/a/x.js", Role::Hook(HookKind::AfterBotMount)),
                script("hooks/b/y.js", Role::Hook(HookKind::OnBotError)),
                script("actions/z.js", Role::Action),
            ],
            ..Program::default()
        };
        assert_eq!(
            HookCount::of(&program, |path, _| path.starts_with("builtin:")),
            HookCount { own: [(HookKind::OnBotError, 1)].into(), built_in: 1 }
        );
    }
}
