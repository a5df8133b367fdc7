//! Whole workspaces and what becomes of events in them: `golden/events/<case>/` holds the files of a workspace and
//! `events.json`, the events to send one by one; `out.txt` says what came of each: answers, replies, steps, log lines and
//! the state as it is stored. `UPDATE=1` writes `out.txt`, `CASE=<part of a name>` runs some cases only.

#[path = "common/app.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod app;
#[path = "common/blank.rs"]
mod blank;
#[path = "common/client.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod client;
#[path = "common/golden.rs"]
mod golden;
#[path = "common/hearing.rs"]
mod hearing;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant, UNIX_EPOCH};

use app::TestApp;
use blank::blank;
use golden::{GLANCE, PATIENCE};
use hearing::{Heard, Hearing};
use nudge::clock::Clock;
use nudge::model::{BotId, ConversationKey, SessionKey, UserId};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::Mutex;

/// How much later than the event its replies are read: all that typing holds back is there by then.
const LATER: Duration = Duration::from_secs(60);

/// Cases in which scripts reach for other bots, also for some that there are not, or switch hooks off.
const SHARES: [&str; 5] = [
    "bots_config_security_links",
    "content_types_of_the_workspace",
    "destinations",
    "hooks_switched_off_and_on",
    "send_event",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_workspace_of_bots_that_use_nothing_of_each_other_does_the_same_where_they_are_kept_apart() {
    if std::env::var_os("UPDATE").is_some() {
        return;
    }
    let hearing = hearing().lock().await;
    let mut differences = Vec::new();
    for case in golden::cases("golden/events").iter().filter(|case| !SHARES.contains(&golden::name(case))) {
        hearing.take();
        let said = Case::run(golden::workspace_apart(case, &["events.json"]), case, &hearing).await;
        differences.extend(golden::compare(case, &said));
    }
    golden::assert_same(&differences);
}

/// What is logged in this process: tests in one process come one after the other.
static HEARING: OnceLock<Mutex<Hearing>> = OnceLock::new();

fn hearing() -> &'static Mutex<Hearing> {
    HEARING.get_or_init(|| Mutex::new(Hearing::start()))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_workspace_does_with_its_events_what_its_out_txt_says() {
    let hearing = hearing().lock().await;
    let mut differences = Vec::new();
    for case in golden::cases("golden/events") {
        hearing.take();
        let said = Case::run(golden::workspace(&case, &["events.json"]), &case, &hearing).await;
        differences.extend(golden::compare(&case, &said));
    }
    golden::assert_same(&differences);
}

/// One case while it runs.
struct Case {
    app: TestApp,
    clock: Clock,
    bot: BotId,
    out: String,
    /// Bot, channel and user of every event so far.
    met: BTreeSet<(String, String, String)>,
    /// Messages that were shown, and the state of each session as it was shown last.
    messages: BTreeSet<String>,
    states: BTreeMap<String, String>,
}

impl Case {
    async fn run(workspace: TempDir, folder: &Path, hearing: &Hearing) -> String {
        let clock = golden::clock();
        let app = TestApp::serve(workspace, |options| options.clock = clock.clone()).await;
        let bot = golden::first_bot(&app.client).await;
        let mut case = Self {
            app,
            clock,
            bot: BotId::parse(&bot).unwrap(),
            out: String::new(),
            met: BTreeSet::new(),
            messages: BTreeSet::new(),
            states: BTreeMap::new(),
        };
        golden::settled(&case.app, hearing, 0).await;
        for heard in hearing.take() {
            case.heard(&heard);
        }
        let events: Vec<Value> = serde_json::from_str(&fs::read_to_string(folder.join("events.json")).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for event in events {
            case.step(&event, hearing).await;
        }
        case.app.stop().await;
        case.out
    }

    /// Sends one event and notes what comes of it.
    async fn step(&mut self, step: &Value, hearing: &Hearing) {
        let text = |key: &str| step[key].as_str().unwrap_or_default();
        if let Some(seconds) = step["wait"].as_u64() {
            self.said(&format!("> wait {seconds} s"));
            self.later(Duration::from_secs(seconds), hearing).await;
            return self.show(BTreeSet::new(), self.clock.now()).await;
        }
        if let Some(folder) = step["files"].as_str() {
            let mut names = files(&self.app.folder.path().join(folder));
            names.sort();
            return self.said(&format!("> files {folder}\n< {}", names.join(" ")));
        }
        if let Some(path) = step["get"].as_str() {
            let answer = self.app.client.get(path).await;
            return self.said(&format!(
                "> get {path}\n< {} {}{}",
                answer.status,
                answer.header("location"),
                answer.body
            ));
        }
        if let Some(awaited) = step["hear"].as_str() {
            let started = Instant::now();
            while !self.out.contains(awaited) {
                assert!(started.elapsed() < PATIENCE, "{awaited:?} is not heard\n{}", self.out);
                tokio::time::sleep(GLANCE).await;
                for heard in hearing.take() {
                    self.heard(&heard);
                }
            }
            return;
        }
        let bot = step["bot"].as_str().unwrap_or(self.bot.as_str()).to_owned();
        let web = format!("/api/v1/bots/{bot}/mod/channel-web");
        let (what, path, usual) = if step["converse"].is_string() {
            let user = text("converse");
            (format!("converse {user}"), format!("/api/v1/bots/{bot}/converse/{user}"), "text")
        } else if step["event"].is_string() {
            (format!("event {}", text("event")), format!("{web}/events/{}", text("event")), "proactive-trigger")
        } else {
            (format!("message {}", text("message")), format!("{web}/messages/{}", text("message")), "text")
        };
        let body = match &step["body"] {
            Value::Null => serde_json::json!({ "type": usual, "text": text("text") }),
            body => body.clone(),
        };
        let begun = self.clock.now();
        writeln!(self.out, "> {what} {body}").unwrap();
        let before = golden::accepted(&self.app.client).await;
        let answer = self.app.client.post(&path, body.to_string()).await;
        let accepted = golden::accepted(&self.app.client).await - before;
        golden::settled(&self.app, hearing, usize::try_from(accepted).unwrap()).await;
        self.said(&format!("< {} {}", answer.status, answer.body.trim_end()));
        let heard = hearing.take();
        let mut sessions = BTreeSet::new();
        for heard in &heard {
            self.heard(heard);
            if let Some(trace) = &heard.trace {
                let trace: Value = serde_json::from_str(trace).unwrap();
                let part = |key: &str| trace[key].as_str().unwrap().to_owned();
                sessions.insert((part("botId"), part("channel"), part("target")));
            }
        }
        self.later(LATER, hearing).await;
        self.show(sessions, begun).await;
    }

    /// Moves the clock, and notes what comes of that.
    async fn later(&mut self, by: Duration, hearing: &Hearing) {
        golden::later(&self.app, &self.clock, by, hearing).await;
        for heard in hearing.take() {
            self.heard(&heard);
        }
    }

    /// Shows the messages and states that have changed of those who were met.
    async fn show(&mut self, mut sessions: BTreeSet<(String, String, String)>, begun: u64) {
        // Replies may go to others than the one who spoke.
        sessions.extend(self.met.iter().cloned());
        self.met.clone_from(&sessions);
        for (bot, channel, target) in sessions {
            let thread = if channel == "web" { self.conversation(&bot, &target, begun).await } else { None };
            self.state(&bot, &channel, &target, thread);
        }
    }

    fn said(&mut self, text: &str) {
        let text = blank(text, self.app.client.address.port());
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    fn heard(&mut self, heard: &Heard) {
        if let Some(trace) = &heard.trace {
            let line = trace_line(&serde_json::from_str(trace).unwrap());
            return self.said(&line);
        }
        self.said(&golden::entry(heard));
    }

    /// Shows a visitor's new messages; gives the latest conversation.
    async fn conversation(&mut self, bot: &str, user: &str, begun: u64) -> Option<String> {
        let path = format!("/api/v1/bots/{bot}/mod/channel-web/conversations/{user}");
        let list = self.app.client.get(&path).await.json();
        let mut latest = None;
        for conversation in list["conversations"].as_array().into_iter().flatten().rev() {
            let id = conversation["id"].to_string();
            let one = self.app.client.get(&format!("{path}/{id}")).await.json();
            for message in one["messages"].as_array().into_iter().flatten() {
                if message["userId"].is_null() && self.messages.insert(message["id"].to_string()) {
                    let after = i128::from(when(&message["sent_on"])) - i128::from(begun);
                    let (kind, text) = (&message["message_type"], &message["message_text"]);
                    self.said(&format!("  web {user} +{after} ms {kind} {text} {}", message["payload"]));
                }
            }
            latest = Some(id);
        }
        latest
    }

    /// Shows the state of a session as it is stored, if it is another than before.
    fn state(&mut self, bot: &str, channel: &str, target: &str, thread: Option<String>) {
        let conversation = ConversationKey {
            bot: BotId::parse(bot).unwrap(),
            channel: channel.into(),
            target: UserId::parse(target).unwrap(),
        };
        let state = self.app.store.restore(&SessionKey { conversation, thread: thread.map(Into::into) }).unwrap();
        let mut line = format!("  state {channel}/{target}");
        let parts =
            [("user", state.user), ("session", state.session), ("temp", state.temp), ("context", state.context)];
        for (name, json) in parts {
            if !["{}", r#"{"lastMessages":[]}"#].contains(&json.as_str()) {
                write!(line, " {name}={json}").unwrap();
            }
        }
        let before = self.states.insert(format!("{bot} {channel} {target}"), line.clone());
        if before.map_or(line.contains('='), |before| before != line) {
            self.said(&line);
        }
    }
}

/// The files below a folder, by their paths within it.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        } else {
            found.push(name);
        }
    }
    found
}

/// Milliseconds since the epoch of a date as JSON has it.
fn when(date: &Value) -> u64 {
    let at = humantime::parse_rfc3339(date.as_str().unwrap()).unwrap();
    u64::try_from(at.duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The steps of an event on one line: hooks with flags or errors, and all hooks of the workspace; no times.
fn trace_line(trace: &Value) -> String {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut line = format!("  event {} {}/{}", text(trace, "type"), text(trace, "channel"), text(trace, "target"));
    for step in trace["steps"].as_array().into_iter().flatten() {
        let kind = text(step, "s");
        match kind.as_str() {
            "hook" => line.extend(golden::hook(step).map(|hook| format!(" | {hook}"))),
            "log" | "error" => {}
            _ => {
                let more = ["t", "r"].into_iter().find(|key| step[*key].is_string()).map(|key| text(step, key));
                write!(line, " | {kind} {}", more.unwrap_or_default()).unwrap();
            }
        }
    }
    if let Some(ended) = trace["ended"].as_str() {
        write!(line, " | ended: {ended}").unwrap();
    }
    line
}
