//! The commands as people run them: the real binary, real processes of scripts, real files.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// The documented hook, character for character.
const PROACTIVE: &str = r#"if (event.type === 'proactive-trigger') {
  const eventDestination = {
    channel: event.channel,
    target: event.target,
    botId: event.botId,
    threadId: event.threadId
  }

  event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)

  bp.cms.renderElement('builtin_text', { text: "I'm so proactive!", typing: true }, eventDestination).then(payloads => {
    bp.events.replyToEvent(event, payloads)
  })
}
"#;

const PROACTIVE_PATH: &str = "hooks/before_incoming_middleware/proactive.js";

/// A workspace with these files.
fn workspace(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn nudge(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_nudge")).args(args).current_dir(folder).env("NO_COLOR", "1").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn check_is_content_with_an_empty_folder() {
    let folder = workspace(&[]);
    let output = nudge(folder.path(), &["check"]);
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    assert!(out.contains("no problems") && out.contains("1 bot"), "{out}");
    assert!(!folder.path().join("data.db").exists(), "check leaves nothing behind");
}

#[test]
fn check_prints_every_problem_with_its_place_and_fails() {
    let folder = workspace(&[
        ("hooks/before_incoming_middleware/a.js", "const a = 1\nconst b = (\n"),
        ("hooks/after_incoming_middleware/b.js", "}); evil(() => {"),
        ("content-types/c.js", "module.exports = { title: 'no id' }"),
        ("bots/x/bot.config.json", "{ \"name\": 3 }"),
    ]);
    let output = nudge(folder.path(), &["check", "--dir", "."]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}{}", text(&output.stderr));
    for expected in ["a.js:", "b.js:", "content-types/c.js", "bots/x/bot.config.json", "> "] {
        assert!(out.contains(expected), "{expected} is missing in\n{out}");
    }
}

#[test]
fn check_fails_for_a_folder_that_is_not_there() {
    let folder = workspace(&[]);
    let output = nudge(folder.path(), &["check", "--dir", "nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot open the workspace nowhere"));
}

#[test]
fn invoke_shows_flags_replies_and_state_of_the_documented_hook() {
    let folder = workspace(&[
        (PROACTIVE_PATH, PROACTIVE),
        ("event.json", r#"{ "type": "proactive-trigger", "payload": { "text": "fake message" } }"#),
    ]);
    let output = nudge(folder.path(), &["invoke", PROACTIVE_PATH, "--event", "event.json"]);
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    assert!(out.contains("event proactive-trigger web/visitor-1 → welcome-bot"), "{out}");
    assert!(out.contains("flags    skipDialogEngine"), "{out}");
    assert!(out.contains("I'm so proactive!") && out.contains("typing"), "{out}");
    assert!(!folder.path().join("data.db").exists(), "invoke leaves nothing behind");
}

#[test]
fn invoke_shows_changes_of_state_and_calls_of_services() {
    let hook = "return (async () => {
      await bp.kvs.forBot(event.botId).set('seen', { by: event.target })
      event.state.user.seen = await bp.kvs.forBot(event.botId).get('seen')
      event.payload.text = event.payload.text + '!'
      bp.logger.info('done')
    })()";
    let folder = workspace(&[
        ("hooks/after_incoming_middleware/x.js", hook),
        ("event.json", r#"{ "type": "text", "target": "ada", "payload": { "text": "hi" } }"#),
        ("state.json", r#"{ "user": { "name": "Ada" } }"#),
    ]);
    let args = ["invoke", "hooks/after_incoming_middleware/x.js", "--event", "event.json", "--state", "state.json"];
    let output = nudge(folder.path(), &args);
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    assert!(out.contains(r#"+ user.seen: {"by":"ada"}"#), "{out}");
    assert!(out.contains(r#"payload.text: "hi" → "hi!""#), "{out}");
    assert!(out.contains("done"), "{out}");
}

#[test]
fn invoke_fails_with_the_place_of_an_error() {
    let folder = workspace(&[
        ("hooks/after_incoming_middleware/x.js", "const a = 1\nmissing.thing()\n"),
        ("event.json", r#"{ "type": "text" }"#),
    ]);
    let output = nudge(folder.path(), &["invoke", "hooks/after_incoming_middleware/x.js", "--event", "event.json"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("x.js:2") && out.contains("ReferenceError"), "{out}");
}

#[test]
fn invoke_ends_a_hook_that_never_ends() {
    let folder = workspace(&[
        ("hooks/after_incoming_middleware/x.js", "while (true) {}"),
        ("event.json", r#"{ "type": "text" }"#),
    ]);
    let output = nudge(folder.path(), &["invoke", "hooks/after_incoming_middleware/x.js", "--event", "event.json"]);
    assert_eq!(output.status.code(), Some(1));
    let out = text(&output.stdout);
    assert!(out.contains("x.js"), "{out}");
}

/// A running `nudge run-server`.
struct Server {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    /// What it printed so far.
    greeting: String,
}

impl Server {
    /// Starts it on a free port and reads until it says where it listens.
    fn start(folder: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_nudge"))
            .args(["run-server", "--port", "0"])
            .args(args)
            .current_dir(folder)
            .env("NO_COLOR", "1")
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = String::new();
        while !greeting.contains("scripts  ") {
            if stdout.read_line(&mut greeting).unwrap() == 0 {
                let mut errors = String::new();
                child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
                panic!("the server ended: {greeting}{errors}");
            }
        }
        Self { child, stdout, greeting }
    }

    fn url(&self) -> &str {
        let from = self.greeting.find("http://").unwrap();
        self.greeting[from..].split_whitespace().next().unwrap()
    }

    /// Sends a signal to its group, as a terminal does.
    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process_group(pid, signal).unwrap();
    }

    /// Waits until it has ended; gives its exit code and the log.
    fn end(mut self) -> (Option<i32>, String) {
        self.stdout.read_to_string(&mut self.greeting).unwrap();
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        (self.child.wait().unwrap().code(), log)
    }
}

fn post(url: &str, path: &str, body: &str) -> String {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_server_greets_answers_and_stops_gracefully_on_a_signal() {
    let hook = "if (event.type === 'text') {
      bp.events.replyToEvent(event, [{ type: 'text', text: 'You said: ' + event.preview }])
    }";
    let folder = workspace(&[("hooks/before_incoming_middleware/hello.js", hook)]);
    let server = Server::start(folder.path(), &["--no-watch"]);
    assert!(server.greeting.contains("1 before_incoming_middleware"), "{}", server.greeting);
    assert!(server.greeting.contains("welcome-bot   Welcome Bot"), "{}", server.greeting);
    let answer = post(server.url(), "/api/v1/bots/welcome-bot/converse/visitor-1", r#"{"type":"text","text":"Hello"}"#);
    assert!(answer.contains("You said: Hello"), "{answer}");
    server.signal(rustix::process::Signal::TERM);
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("stopped"), "{log}");
    assert!(!log.contains("is gone"), "the signal reached the processes of scripts: {log}");
    assert!(log.contains("text api/visitor-1 → welcome-bot"), "{log}");
}

#[test]
fn bench_measures_from_an_event_to_the_pages_of_visitors_while_others_send_junk() {
    let folder = workspace(&[(PROACTIVE_PATH, PROACTIVE)]);
    let server = Server::start(folder.path(), &["--no-watch", "--production"]);
    let args = ["--kind", "visitors", "--connections", "6", "--rate", "50", "--seconds", "1", "--junk"];
    let output = nudge(folder.path(), &[&["bench", "--url", server.url()][..], &args].concat());
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    for expected in ["6 visitors connected", "bytes for each", "to the page  p50", "junk: 3 visitors were dropped"] {
        assert!(out.contains(expected), "{expected} is missing in\n{out}");
    }
    assert!(!out.contains("refused"), "{out}");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn a_server_that_cannot_start_says_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let config = "{\n  \"httpServer\": { \"port\": 0 }\n  \"x\": 1\n}\n";
    // 192.0.2.0/24 is for documentation: no machine has such an address.
    for (files, args, said) in [
        (
            &[][..],
            &["--host", "127.0.0.1", "--port", &port][..],
            format!("error: port {port} is taken; choose another"),
        ),
        (&[], &["--host", "192.0.2.1", "--port", "0"], "error: cannot listen on 192.0.2.1:0: ".into()),
        (&[("botpress.config.json", config)], &[], "botpress.config.json:2:30: error: not valid JSON: ".into()),
        (&[("data.db", "not a database at all, but long enough")], &["--port", "0"], "data.db cannot be read: ".into()),
        (&[("file", "")], &["--dir", "file"], "error: the workspace file is not a folder".into()),
    ] {
        let folder = workspace(files);
        let output = nudge(folder.path(), &[&["run-server"], args].concat());
        let (out, log) = (text(&output.stdout), text(&output.stderr));
        assert_eq!((output.status.code(), out.as_str()), (Some(1), ""), "{log}");
        assert!(log.contains(&said) && !log.contains("error: botpress"), "{args:?}: {log}");
    }
}

#[test]
fn the_greeting_tells_where_the_first_hook_goes() {
    let folder = workspace(&[]);
    let mut server = Server::start(folder.path(), &["--no-watch"]);
    server.signal(rustix::process::Signal::INT);
    server.stdout.read_to_string(&mut server.greeting).unwrap();
    assert!(server.greeting.contains("hooks/before_incoming_middleware/hello.js"), "{}", server.greeting);
    assert_eq!(server.end().0, Some(0));
}

#[test]
fn bench_counts_what_was_processed_and_committed() {
    // Nothing says which bot: it is the first one.
    let bot = r#"{ "id": "a-shop", "name": "Shop" }"#;
    let folder = workspace(&[(PROACTIVE_PATH, PROACTIVE), ("bots/a-shop/bot.config.json", bot)]);
    let server = Server::start(folder.path(), &["--no-watch", "--production"]);
    let args = ["bench", "--url", server.url(), "--seconds", "1", "--connections", "2", "--users", "10"];
    let output = nudge(folder.path(), &args);
    let out = text(&output.stdout);
    assert!(output.status.success(), "{out}{}", text(&output.stderr));
    for expected in ["events over 2 connections, 10 users", "p99", "processed", "(counted when committed)"] {
        assert!(out.contains(expected), "{expected} is missing in\n{out}");
    }
    assert!(!out.contains("NOT processed") && !out.contains("broken") && !out.contains("status "), "{out}");
    server.signal(rustix::process::Signal::TERM);
    assert_eq!(server.end().0, Some(0));
}
