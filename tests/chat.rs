//! `nudge chat` as a script uses it: lines go in, replies come out, problems go to stderr.

#[path = "common/server.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod server;

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Output, Stdio};

use expect_test::expect;
use server::{Server, workspace};

const HOOK_PATH: &str = "hooks/before_incoming_middleware/talk.js";
/// A bot by hooks alone.
const HOOK: &str = "event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
const say = (...payloads) => bp.events.replyToEvent(event, payloads)
const { state } = event
state.session.turns = (state.session.turns || 0) + 1
switch (event.type) {
  case 'proactive-trigger':
    say({ type: 'typing', value: 600000 }, { type: 'text', text: 'You are at ' + event.payload.payload.page })
    break
  case 'quick_reply':
  case 'postback':
    say({ type: 'text', text: `You chose ${event.payload.payload}` })
    break
  case 'text':
    if (event.preview === 'fail') missing()
    state.user.last = event.preview
    say({ type: 'text', text: 'Socks?', quick_replies: [{ title: 'Yes', payload: 'YES' }, { title: 'No', payload: 'NO' }] },
        { type: 'carousel', text: ' ', elements: [{ title: 'Hat', buttons: [
          { type: 'say_something', title: 'Buy', text: 'I buy the hat' },
          { type: 'open_url', title: 'Look', url: 'http://x.test/hat' },
          { type: 'postback', title: 'Later', payload: 'LATER' }] }] })
}
";

fn chat(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nudge"));
    command.arg("chat").args(args).current_dir(folder).env("NO_COLOR", "1");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Says these lines, and waits for the end.
fn talk(folder: &Path, args: &[&str], lines: &str) -> (Option<i32>, String, String) {
    let mut child = chat(folder, args).spawn().unwrap();
    // It may have ended already.
    let _ = child.stdin.take().unwrap().write_all(lines.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[test]
fn a_script_talks_clicks_and_sends_events() {
    let folder = workspace(&[(HOOK_PATH, HOOK)]);
    let lines = "hello\n2\nhello\n3\nhello\n4\n5\n7\n/event proactive-trigger {\"page\": \"prices\"}\n/nonsense\n";
    let (code, out, log) = talk(folder.path(), &[], lines);
    assert_eq!(code, Some(0), "{out}{log}");
    let offer = "Socks?\n  1) Yes\n  2) No\n[card] Hat\n  3) Buy\n  4) Look → http://x.test/hat\n  5) Later\n";
    let expected = [
        offer,
        "You chose NO\n",
        offer,
        "I buy the hat\n",
        offer,
        "http://x.test/hat\n",
        "You chose LATER\n",
        // Nothing is on offer: it is a text.
        offer,
        // Typing is not waited for where nobody watches.
        "You are at prices\n",
        "there is no command /nonsense; /help lists them, //nonsense says it to the bot\n",
    ];
    assert_eq!(out, expected.concat(), "{log}");
}

#[test]
fn memory_steps_and_errors_can_be_looked_at() {
    let folder = workspace(&[(HOOK_PATH, HOOK), ("bots/shop/bot.config.json", "{ \"name\": \"The Shop\" }")]);
    let lines = "/bots\n/trace\n//slash\nfail\n/state\n/trace\n/reset\n/state\n/user bob\n/state\n/quit\nnever said\n";
    let (code, out, log) = talk(folder.path(), &["--bot", "shop", "--user", "ann"], lines);
    assert_eq!(code, Some(0), "{out}{log}");
    // The id and the times differ from run to run.
    let digits = |word: &str| word.starts_with(|c: char| c.is_ascii_digit());
    let steady = |line: &str| {
        let blank = |word: &str| if digits(word) && line.contains(" ms") { "N" } else { word }.to_owned();
        line.split(' ').map(blank).collect::<Vec<_>>().join(" ")
    };
    let out: Vec<String> = out.lines().map(steady).collect();
    expect![[r#"
        * shop   The Shop
        nothing has happened yet
        Socks?
          1) Yes
          2) No
        [card] Hat
          3) Buy
          4) Look → http://x.test/hat
          5) Later
        user {
          "last": "/slash"
        }
        session {
          "lastMessages": [],
          "turns": 2,
          "extractedSlots": {}
        }
        temp {}
        context {}
        bot {}
        event N text web/ann → shop  N ms
          ✗ ReferenceError: missing is not defined
          hook hooks/before_incoming_middleware/talk.js  N ms ⚑skipDialogEngine ⚑forcePersistState ✗ ReferenceError: missing is not defined
          decision: no suggestion matched
        the session is forgotten; what is known of the user stays
        user {
          "last": "/slash"
        }
        session {}
        temp {}
        context {}
        bot {}
        user {}
        session {}
        temp {}
        context {}
        bot {}"#]]
    .assert_eq(&out.join("\n"));
    assert!(log.contains("talk.js:15:35") && log.contains("> 15 |"), "{log}");
}

#[test]
fn a_conversation_goes_through_its_flow_and_its_steps_can_be_looked_at() {
    let flow = r##"{ "version": "0.0.1", "startNode": "ask", "catchAll": {}, "nodes": [
        { "id": "a", "name": "ask", "onEnter": ["say #!builtin_single-choice-q"], "onReceive": [], "next": [
            { "condition": "event.payload.payload === 'RED'", "node": "red" }, { "condition": "true", "node": "ask" }] },
        { "id": "b", "name": "red", "onEnter": ["say #builtin_text {\"text\":\"Red it is.\"}"], "onReceive": null, "next": [] }] }"##;
    let question = r#"[{ "id": "builtin_single-choice-q", "formData": { "text$en": "Which colour?", "typing$en": true,
        "choices$en": [{ "title": "Blue", "value": "blue" }, { "title": "Red", "value": "red" }] } }]"#;
    let folder = workspace(&[
        ("bots/b/bot.config.json", r#"{ "name": "B", "defaultLanguage": "en" }"#),
        ("bots/b/flows/main.flow.json", flow),
        ("bots/b/content-elements/builtin_single-choice.json", question),
    ]);
    let (code, out, log) = talk(folder.path(), &[], "hello\n1\n2\n/trace\n");
    assert_eq!(code, Some(0), "{out}{log}");
    let asked = "Which colour?\n  1) Blue\n  2) Red\n";
    let (said, trace) = out.split_once("event ").unwrap();
    assert_eq!(said, format!("{asked}{asked}Red it is.\n"), "{log}");
    let steps: Vec<&str> = trace.lines().skip(1).map(str::trim_start).collect();
    expect![[r#"
          decision: no suggestion matched
          if event.payload.payload === 'RED' → red
          node main.flow.json#red
          say #builtin_text {"text":"Red it is."}
          reply text
          ends: nothing left"#]]
    .assert_eq(&steps.join("\n"));
}

/// A chat that goes on.
struct Chat {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Lines<BufReader<ChildStderr>>,
}

impl Chat {
    fn start(folder: &Path) -> Self {
        let mut child = chat(folder, &[]).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap()).lines();
        let stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, stdin, stdout, stderr }
    }

    /// Says a line; gives the next line of what is said to it.
    fn say(&mut self, line: &str) -> String {
        writeln!(self.stdin, "{line}").unwrap();
        self.stdout.next().unwrap().unwrap()
    }
}

#[test]
fn an_edited_file_is_in_service_for_the_next_line() {
    let hook = |text: &str| format!("bp.events.replyToEvent(event, [{{ type: 'text', text: '{text}' }}])");
    let folder = workspace(&[(HOOK_PATH, &hook("before"))]);
    let mut chat = Chat::start(folder.path());
    assert_eq!(chat.say("hello"), "before");
    std::fs::write(folder.path().join(HOOK_PATH), hook("after")).unwrap();
    assert!(chat.stderr.any(|line| line.unwrap().contains("reloaded")), "it is never reloaded");
    // It is said when it is read, and in service an instant later.
    while chat.say("hello") == "before" {}
    let Chat { mut child, stdin, .. } = chat;
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_workspace_that_is_served_already_is_talked_to_by_its_address() {
    let folder = workspace(&[(HOOK_PATH, HOOK)]);
    let server = Server::start(folder.path(), &["--no-watch"]);
    let (code, _, log) = talk(folder.path(), &[], "hello\n");
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("nudge chat --url http://localhost:3000"), "{log}");

    let url = format!("http://{}", server.address);
    let (code, out, log) = talk(folder.path(), &["--url", &url], "hello\n5\n/state\n");
    assert_eq!(code, Some(0), "{out}{log}");
    assert!(out.contains("5) Later\nYou chose LATER\n✗ /state needs the memory at hand"), "{out}");
    assert!(server.terminate().success());
}

#[tokio::test]
async fn a_private_bot_is_talked_to_as_well() {
    let folder = workspace(&[(HOOK_PATH, HOOK), ("bots/a/bot.config.json", "{ \"private\": true }")]);
    let (code, out, log) = talk(folder.path(), &[], "hello\n2\n");
    assert_eq!(code, Some(0), "{out}{log}");
    assert!(out.ends_with("You chose NO\n"), "{out}");

    let server = Server::start(folder.path(), &["--no-watch"]);
    let url = format!("http://{}", server.address);
    let (code, _, log) = talk(folder.path(), &["--url", &url], "hello\n");
    assert!(code == Some(1) && log.contains("Authorization header is missing"), "{log}");
    let made = Command::new(env!("CARGO_BIN_EXE_nudge")).arg("token").current_dir(folder.path()).output().unwrap();
    let token = String::from_utf8(made.stdout).unwrap();
    let (code, out, log) = talk(folder.path(), &["--url", &url, "--token", token.trim()], "hello\n2\n");
    assert!(code == Some(0) && out.ends_with("You chose NO\n"), "{out}{log}");
    assert!(server.terminate().success());
}

#[tokio::test]
async fn where_every_visitor_needs_a_secret_a_token_gets_it() {
    let always = ("config/channel-web.json", "{ \"visitorSecret\": \"always\" }");
    let folder = workspace(&[(HOOK_PATH, HOOK), always]);
    let (code, out, log) =
        talk(folder.path(), &[], "hello\n2\n/user ann\n/event proactive-trigger {\"page\": \"home\"}\n");
    assert_eq!(code, Some(0), "{out}{log}");
    assert!(out.ends_with("You chose NO\nYou are at home\n"), "{out}");

    let server = Server::start(folder.path(), &["--no-watch"]);
    let url = format!("http://{}", server.address);
    let (code, out, log) = talk(folder.path(), &["--url", &url], "hello\n");
    assert_eq!((code, out.as_str()), (Some(1), ""), "{log}");
    assert!(log.contains("needs its secret") && log.contains("nudge token"), "{log}");
    let made = Command::new(env!("CARGO_BIN_EXE_nudge")).arg("token").current_dir(folder.path()).output().unwrap();
    let token = String::from_utf8(made.stdout).unwrap();
    let (code, out, log) = talk(folder.path(), &["--url", &url, "--token", token.trim()], "hello\n2\n");
    assert!(code == Some(0) && out.ends_with("You chose NO\n"), "{out}{log}");
    assert!(server.terminate().success());
}

#[tokio::test]
async fn a_server_in_production_says_too_little_to_chat_with() {
    let folder = workspace(&[(HOOK_PATH, HOOK)]);
    let server = Server::start(folder.path(), &["--no-watch", "--production"]);
    let (code, _, log) = talk(folder.path(), &["--url", &format!("http://{}", server.address)], "hello\n");
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("--production"), "{log}");
}

#[test]
fn what_cannot_begin_says_why() {
    let folder = workspace(&[("bots/a/bot.config.json", "{}"), ("bots/b/bot.config.json", "{ \"disabled\": true }")]);
    for (args, why) in [
        (["--bot", "c"], "there is no bot c in service (there are: a)"),
        (["--bot", "b"], "there is no bot b in service (there are: a)"),
        (["--dir", "nowhere"], "cannot open the workspace nowhere"),
        (["--url", "http://127.0.0.1:1"], "is the server running?"),
        (["--url", "https://x"], "must begin with http://"),
    ] {
        let (code, out, log) = talk(folder.path(), &args, "hello\n");
        assert_eq!((code, out.as_str()), (Some(1), ""), "{log}");
        assert!(log.contains(why), "{log}");
    }
}
