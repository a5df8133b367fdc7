//! Golden folders: a case is the files of a workspace with an `out.txt` that says what comes of it. `UPDATE=1` writes
//! `out.txt`, `CASE=<part of a name>` runs some cases only.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nudge::clock::Clock;
use tempfile::TempDir;

use crate::app::{TestApp, copy, fixture};
use crate::client::Client;
use crate::hearing::{Heard, Hearing};

/// `dialog.janitorInterval`, where a case does not say otherwise.
const JANITOR: Duration = Duration::from_secs(10);
/// How long anything may take that is waited for. Only a broken server takes that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether it is there.
pub(crate) const GLANCE: Duration = Duration::from_millis(2);

/// The cases below `tests/<folder>` that are asked for, in the order of their names.
pub(crate) fn cases(folder: &str) -> Vec<PathBuf> {
    let wanted = std::env::var("CASE").unwrap_or_default();
    let mut cases: Vec<_> = fs::read_dir(fixture(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|case| name(case).contains(&wanted));
    cases.sort();
    cases
}

/// The name of a case.
pub(crate) fn name(case: &Path) -> &str {
    case.file_name().unwrap().to_str().unwrap()
}

/// What differs between `out.txt` and what came of the case, if anything does; or writes `out.txt`.
pub(crate) fn compare(case: &Path, said: &str) -> Option<String> {
    let path = case.join("out.txt");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(path, said).unwrap();
        return None;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    (expected != said).then(|| format!("{}:\n{}", name(case), difference(&expected, said)))
}

/// Fails with what differs in all cases.
pub(crate) fn assert_same(differences: &[String]) {
    assert!(differences.is_empty(), "UPDATE=1 writes what is right now\n{}", differences.join("\n"));
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

/// The workspace of a case: its files but for `ours`, and a bot `bot` if it has none.
pub(crate) fn workspace(case: &Path, ours: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(case, folder.path());
    for ours in ours.iter().chain(&["out.txt"]) {
        // A new case has no `out.txt` yet.
        let _ = fs::remove_file(folder.path().join(ours));
    }
    // A data folder of the original may have its own, and of two the one at the root would count.
    if !folder.path().join("data/global/botpress.config.json").exists() {
        complete(folder.path(), "botpress.config.json", r#"{ "scripts": { "grace": "10s" } }"#);
    }
    if !["bots", "data/bots"].iter().any(|bots| has_bot(&folder.path().join(bots))) {
        complete(folder.path(), "bots/bot/bot.config.json", r#"{ "name": "Bot", "defaultLanguage": "en" }"#);
    }
    folder
}

/// The same with `scripts.isolation: "per-bot"`.
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) fn workspace_apart(case: &Path, ours: &[&str]) -> TempDir {
    let folder = workspace(case, ours);
    let places = ["botpress.config.json", "data/global/botpress.config.json"].map(|place| folder.path().join(place));
    let path = places.into_iter().find(|path| path.exists()).unwrap();
    let mut config: serde_json::Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config["scripts"]["isolation"] = "per-bot".into();
    fs::write(path, config.to_string()).unwrap();
    folder
}

/// Whether a bot with a configuration lies in that folder.
fn has_bot(bots: &Path) -> bool {
    fs::read_dir(bots).is_ok_and(|mut bots| bots.any(|bot| bot.unwrap().path().join("bot.config.json").exists()))
}

/// Writes a file that is not there.
fn complete(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    if !path.exists() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// A clock that a case moves. The realm's own time is the machine's, so it starts there.
pub(crate) fn clock() -> Clock {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    Clock::manual(u64::try_from(now).unwrap())
}

/// The first bot that is served.
pub(crate) async fn first_bot(client: &Client) -> String {
    let status = client.get("/status").await.json();
    let mounted = status["bots"].as_array().unwrap().iter().find(|bot| bot["disabled"] == false);
    mounted.unwrap()["id"].as_str().unwrap().to_owned()
}

/// Events that are to be processed, follow-ups included.
pub(crate) async fn accepted(client: &Client) -> u64 {
    let queue = client.get("/status").await.json()["queue"].take();
    queue["accepted"].as_u64().unwrap() + queue["followUpsCommitted"].as_u64().unwrap()
}

/// Waits until nothing of any event is left, and `traces` of them were heard.
pub(crate) async fn settled(app: &TestApp, hearing: &Hearing, traces: usize) {
    let started = Instant::now();
    loop {
        let queue = app.client.get("/status").await.json()["queue"].take();
        let number = |name: &str| queue[name].as_u64().unwrap();
        let done = number("accepted") + number("followUpsCommitted");
        if number("processed") >= done && number("inFlight") == 0 && hearing.traces() >= traces {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "events are not over: {queue}");
        tokio::time::sleep(GLANCE).await;
    }
}

/// Moves the clock, and waits for all that comes of that: time-outs are due events too.
pub(crate) async fn later(app: &TestApp, clock: &Clock, by: Duration, hearing: &Hearing) {
    let before = accepted(&app.client).await;
    clock.advance(by);
    let interval = u64::try_from(JANITOR.as_millis()).unwrap();
    let started = Instant::now();
    loop {
        let queue = app.client.get("/status").await.json()["queue"].take();
        // The janitor looks again when its time has come.
        if by < JANITOR || queue["janitor"].as_u64().unwrap() + interval > clock.now() {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "the janitor does not look: {queue}");
        tokio::time::sleep(GLANCE).await;
    }
    let timeouts = accepted(&app.client).await - before;
    settled(app, hearing, usize::try_from(timeouts).unwrap()).await;
}

/// A log entry as transcripts show it.
pub(crate) fn entry(heard: &Heard) -> String {
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
    line
}

/// A hook as transcripts show it: its file, the flags it set, whether it failed. Built-in ones that did nothing of note
/// are not shown.
pub(crate) fn hook(step: &serde_json::Value) -> Option<String> {
    let file = step["f"].as_str().unwrap_or_default();
    let flags = step["flags"].as_array().into_iter().flatten();
    let flags = flags.fold(String::new(), |all, flag| all + " ⚑" + flag.as_str().unwrap_or_default());
    let failed = if step["err"].is_null() { "" } else { " ✗" };
    if file.starts_with("builtin:") && flags.is_empty() && failed.is_empty() {
        return None;
    }
    Some(format!("{}{flags}{failed}", file.replace("hooks/", "").replace("middleware", "mw")))
}
