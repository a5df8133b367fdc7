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
#[path = "common/hearing.rs"]
mod hearing;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use app::{TestApp, copy, fixture};
use blank::blank;
use hearing::{Heard, Hearing};
use nudge::clock::Clock;
use nudge::model::{BotId, ConversationKey, SessionKey, UserId};
use serde_json::Value;

/// How much later than the event its replies are read: all that typing holds back is there by then.
const LATER: Duration = Duration::from_secs(60);
/// `dialog.janitorInterval`, where a case does not say otherwise.
const JANITOR: Duration = Duration::from_secs(10);
/// How long anything may take that is waited for. Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn every_workspace_does_with_its_events_what_its_out_txt_says() {
    let hearing = Hearing::start();
    let wanted = std::env::var("CASE").unwrap_or_default();
    let mut cases: Vec<_> =
        fs::read_dir(fixture("golden/events")).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    let mut failures = String::new();
    for case in cases {
        let name = case.file_name().unwrap().to_str().unwrap().to_owned();
        if !name.contains(&wanted) {
            continue;
        }
        hearing.take();
        let said = Case::run(&case, &hearing).await;
        let expected = case.join("out.txt");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&expected, said).unwrap();
        } else {
            let expected = fs::read_to_string(&expected).unwrap_or_default();
            if expected != said {
                writeln!(failures, "{name}:\n{}", difference(&expected, &said)).unwrap();
            }
        }
    }
    assert!(failures.is_empty(), "UPDATE=1 writes what is right now\n{failures}");
}

/// Lines that differ, with a line before them.
fn difference(expected: &str, said: &str) -> String {
    let (expected, said): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), said.lines().collect());
    let same = expected.iter().zip(&said).take_while(|(a, b)| a == b).count();
    let (expected, said) = (&expected[same.saturating_sub(1)..], &said[same.saturating_sub(1)..]);
    let end = expected.iter().rev().zip(said.iter().rev()).take_while(|(a, b)| a == b).count();
    let lines = |mark: &str, lines: &[&str]| {
        let lines = &lines[..lines.len().saturating_sub(end.saturating_sub(1))];
        lines.iter().fold(String::new(), |text, line| text + mark + line + "\n")
    };
    lines("- ", expected) + &lines("+ ", said)
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
    async fn run(folder: &Path, hearing: &Hearing) -> String {
        let workspace = tempfile::tempdir().unwrap();
        copy(folder, workspace.path());
        for ours in ["events.json", "out.txt"] {
            let _ = fs::remove_file(workspace.path().join(ours));
        }
        default_file(
            workspace.path(),
            "botpress.config.json",
            r#"{ "scripts": { "workers": 1, "grace": "10s", "silence": "20s" } }"#,
        );
        if !["bots", "data/bots"].iter().any(|bots| workspace.path().join(bots).exists()) {
            default_file(workspace.path(), "bots/bot/bot.config.json", r#"{ "name": "Bot", "defaultLanguage": "en" }"#);
        }
        // The realm's own time is the machine's.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let clock = Clock::manual(u64::try_from(now).unwrap());
        let app = TestApp::serve(workspace, |options| options.clock = clock.clone()).await;
        let status = app.client.get("/status").await.json();
        let mounted = status["bots"].as_array().unwrap().iter().find(|bot| bot["disabled"] == false);
        let bot = mounted.unwrap()["id"].as_str().unwrap().to_owned();
        let mut case = Self {
            app,
            clock,
            bot: BotId::parse(&bot).unwrap(),
            out: String::new(),
            met: BTreeSet::new(),
            messages: BTreeSet::new(),
            states: BTreeMap::new(),
        };
        case.settled(hearing, 0).await;
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
                tokio::time::sleep(Duration::from_millis(2)).await;
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
        let before = self.expected().await;
        let answer = self.app.client.post(&path, body.to_string()).await;
        let accepted = self.expected().await - before;
        self.settled(hearing, usize::try_from(accepted).unwrap()).await;
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
        let before = self.expected().await;
        self.clock.advance(by);
        let started = Instant::now();
        loop {
            let queue = self.app.client.get("/status").await.json()["queue"].take();
            // The janitor looks again when its time has come.
            if by < JANITOR || queue["janitor"].as_u64().unwrap() + millis(JANITOR) > self.clock.now() {
                break;
            }
            assert!(started.elapsed() < PATIENCE, "the janitor does not look: {queue}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let timeouts = self.expected().await - before;
        self.settled(hearing, usize::try_from(timeouts).unwrap()).await;
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

    /// Events that are to be processed, follow-ups included.
    async fn expected(&self) -> u64 {
        let queue = self.app.client.get("/status").await.json()["queue"].take();
        queue["accepted"].as_u64().unwrap() + queue["followUpsCommitted"].as_u64().unwrap()
    }

    /// Waits until nothing of any event is left.
    async fn settled(&self, hearing: &Hearing, accepted: usize) {
        let started = Instant::now();
        loop {
            let queue = self.app.client.get("/status").await.json()["queue"].take();
            let number = |name: &str| queue[name].as_u64().unwrap();
            let done = number("accepted") + number("followUpsCommitted");
            if number("processed") >= done && number("inFlight") == 0 && hearing.traces() >= accepted {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "events are not over: {queue}");
            tokio::time::sleep(Duration::from_millis(2)).await;
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
        let mut line = format!("  {}", heard.level);
        if let Some(hook) = &heard.hook {
            write!(line, " [{hook}]").unwrap();
        }
        if let Some(file) = &heard.file {
            write!(line, " {file}").unwrap();
            for number in [heard.line, heard.column].into_iter().flatten() {
                write!(line, ":{number}").unwrap();
            }
        }
        if heard.target != "script" {
            write!(line, " ({})", heard.target).unwrap();
        }
        let message = heard.message.replace('\n', "\n      ");
        write!(line, ": {message}").unwrap();
        for part in heard.frame.iter().flat_map(|frame| frame.lines()) {
            write!(line, "\n      {part}").unwrap();
        }
        self.said(&line);
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

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap()
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

fn default_file(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    if !path.exists() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
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
        let flags = step["flags"]
            .as_array()
            .into_iter()
            .flatten()
            .fold(String::new(), |all, flag| all + " ⚑" + flag.as_str().unwrap_or_default());
        match kind.as_str() {
            "hook" if text(step, "f").starts_with("builtin:") && flags.is_empty() && step["err"].is_null() => {}
            "hook" => {
                let file = text(step, "f").replace("hooks/", "").replace("middleware", "mw");
                write!(line, " | {file}{flags}").unwrap();
                if !step["err"].is_null() {
                    line.push_str(" ✗");
                }
            }
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
