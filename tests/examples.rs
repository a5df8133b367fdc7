//! The examples: each passes `check`, and what its README says to type gives what the README says.
//!
//! A README is read as a person reads it: the commands of its `sh` blocks one after the other, and a `text` block is what the
//! last one printed.

#[path = "common/app.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod app;
#[path = "common/client.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod client;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use app::TestApp;
use nudge::clock::Clock;
use tempfile::TempDir;

/// Longer than any typing indicator: what it held back is there after it.
const A_BREATH: Duration = Duration::from_secs(5);

const SERVER: &str = "localhost:3000";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folders below `examples/`.
fn examples() -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    assert!(found.len() >= 3, "{found:?}");
    found
}

/// A command of a README, and what the README says that it prints.
#[derive(Debug)]
struct Typed {
    line: String,
    prints: Option<String>,
}

fn commands(readme: &str) -> Vec<Typed> {
    let mut found: Vec<Typed> = Vec::new();
    let mut block = None;
    let mut printed = String::new();
    for line in readme.lines() {
        match (line.strip_prefix("```"), block) {
            (Some(""), Some(kind)) => {
                if kind == "text" {
                    let last = found.last_mut().expect("a command comes before what it prints");
                    assert!(last.prints.replace(std::mem::take(&mut printed)).is_none(), "{last:?} prints twice");
                }
                block = None;
            }
            (Some(kind), None) => block = Some(kind),
            (None, Some("sh")) => found.push(Typed { line: line.to_owned(), prints: None }),
            (None, Some("text")) => printed += &format!("{line}\n"),
            _ => {}
        }
    }
    found
}

/// The words of a command line as a shell takes them, as far as the READMEs go: spaces and single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, part) in line.split('\'').enumerate() {
        if number % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    words
}

/// Does what `curl -s <url> [-H <header>]… [-d <body>] [| grep -o <pattern>]` does; what it prints.
async fn curl(app: &TestApp, clock: &Clock, words: &[String]) -> String {
    let end = words.iter().position(|word| word == "|").unwrap_or(words.len());
    let (mut url, mut headers, mut body) = (None, Vec::new(), None);
    let mut rest = words[..end].iter();
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-s" => {}
            "-H" => headers.push(rest.next().unwrap().split_once(": ").expect("a header")),
            "-d" => body = Some(rest.next().unwrap()),
            word => url = Some(word.strip_prefix(SERVER).unwrap_or_else(|| panic!("{word:?} is not understood"))),
        }
    }
    let (method, body) = body.map_or(("GET", ""), |body| ("POST", body));
    let answer = app.client.send(method, url.expect("a URL"), &headers, body.as_bytes().to_vec()).await;
    assert_eq!(answer.status, 200, "{words:?}: {}", answer.body);
    app.processed().await;
    clock.advance(A_BREATH);
    match &words[end..] {
        [] => answer.body + "\n",
        [_, grep, only, pattern] if [grep, only] == ["grep", "-o"] => matches(&answer.body, pattern),
        other => panic!("{other:?} is not understood"),
    }
}

/// Does what `printf '<lines>' | nudge chat --dir <folder>` does; what it prints.
fn chat(folder: &Path, lines: &str) -> String {
    let mut chat = Command::new(env!("CARGO_BIN_EXE_nudge"))
        .args(["chat", "--dir"])
        .arg(folder)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    chat.stdin.take().unwrap().write_all(lines.replace("\\n", "\n").as_bytes()).unwrap();
    let output = chat.wait_with_output().unwrap();
    assert!(output.status.success(), "{lines}");
    String::from_utf8(output.stdout).unwrap()
}

/// A copy of an example, without what whoever tried it has left there.
fn copy(example: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    app::copy(example, folder.path());
    for left in ["data.db", "data.db-wal", "data.db-shm"] {
        let _ = fs::remove_file(folder.path().join(left));
    }
    folder
}

/// What `grep -o` prints for a pattern `before[^"]*after`.
fn matches(text: &str, pattern: &str) -> String {
    let (before, after) = pattern.split_once("[^\"]*").unwrap_or_else(|| panic!("{pattern:?} is not understood"));
    let found = text.split(before).skip(1).filter_map(|rest| rest.split_once('"').map(|(inside, _)| inside));
    found.map(|inside| format!("{before}{inside}{after}\n")).collect()
}

#[test]
fn every_example_passes_check_without_a_warning() {
    for example in examples() {
        let mut check = Command::new(env!("CARGO_BIN_EXE_nudge"));
        let output = check.arg("check").arg("--dir").arg(&example).env("NO_COLOR", "1").output().unwrap();
        let out = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && out.contains("no problems"), "{}: {out}", example.display());
    }
}

#[test]
fn the_flow_in_the_documents_passes_check() {
    let text = fs::read_to_string(root().join("docs/flows.md")).unwrap();
    let flow = text.split_once("```jsonc\n").unwrap().1.split_once("```").unwrap().0;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("bots/demo/flows")).unwrap();
    fs::write(folder.path().join("bots/demo/bot.config.json"), r#"{ "name": "Demo" }"#).unwrap();
    fs::write(folder.path().join("bots/demo/flows/main.flow.json"), flow).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_nudge"));
    let output = check.arg("check").arg("--dir").arg(folder.path()).env("NO_COLOR", "1").output().unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(out.contains("no problems"), "{out}");
}

#[test]
fn every_example_has_a_page_that_sends_an_event_to_its_bot() {
    for example in examples() {
        let page = fs::read_to_string(example.join("page.html")).unwrap();
        let init = page.split_once("botId: '").unwrap_or_else(|| panic!("{}: no botId", example.display()));
        let (bot, _) = init.1.split_once('\'').unwrap();
        assert!(example.join("bots").join(bot).is_dir(), "{}: there is no bot {bot:?}", example.display());
        assert!(page.contains("window.botpressWebChat.sendEvent({"), "{}", example.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_readmes_say_to_type_gives_what_they_say() {
    for example in examples() {
        let name = example.strip_prefix(root()).unwrap().to_str().unwrap();
        let typed = commands(&fs::read_to_string(example.join("README.md")).unwrap());
        assert!(typed.iter().filter(|typed| typed.prints.is_some()).count() >= 2, "{name}: {typed:?}");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        let clock = Clock::manual(u64::try_from(now).unwrap());
        let app = TestApp::serve(copy(&example), |options| options.clock = clock.clone()).await;
        for typed in typed {
            let words = words(&typed.line);
            let parts: Vec<&str> = words.iter().map(String::as_str).collect();
            match parts[..] {
                ["nudge", "run-server", "--dir", folder] => {
                    assert_eq!((folder, &typed.prints), (name, &None), "{}", typed.line);
                }
                ["sleep", _] => {}
                ["printf", lines, "|", "nudge", "chat", "--dir", folder] => {
                    assert_eq!(folder, name, "{}", typed.line);
                    let printed = chat(copy(&example).path(), lines);
                    assert_eq!(Some(printed), typed.prints, "{}", typed.line);
                }
                ["curl", ..] => {
                    let printed = curl(&app, &clock, &words[1..]).await;
                    if let Some(expected) = typed.prints {
                        assert_eq!(printed, expected, "{name}: {}", typed.line);
                    }
                }
                _ => panic!("{name}: {:?} is not understood", typed.line),
            }
        }
        app.stop().await;
    }
}
