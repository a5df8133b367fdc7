//! What reaches the log of a real server from scripts, files, names and strangers: on lines of its own, harmless for a terminal,
//! without secrets, and not without end.

#[path = "common/server.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod server;

use std::fs;
use std::path::Path;
use std::process::Command;

use nudge::telemetry::escape::is_unsafe;
use serde_json::json;
use server::{Caller, Server, workspace};

const SAY: &str = "/api/v1/bots/bot/converse/ann";

/// Clears the screen, begins a line, reorders, hides.
const EVIL: &str = "\u{1b}[2J\r\n\u{9b}31mforged\u{202e}\u{2066}\u{200b}\u{2028}\u{7}\u{8}";
/// The same as a script writes it.
const EVIL_JS: &str = r"'\u001b[2J\r\n\u009b31mforged\u202e\u2066\u200b\u2028\u0007\u0008'";

/// Everything that the server has written, as it stands there.
fn whole_log(folder: &Path) -> String {
    String::from_utf8(fs::read(folder.join("server.log")).unwrap()).unwrap()
}

async fn say(caller: &mut Caller, body: &serde_json::Value) -> String {
    caller.post(SAY, body.to_string()).await.unwrap().1
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_scripts_files_or_strangers_write_moves_a_terminal_or_forges_a_line() {
    let hook = format!(
        "const evil = {EVIL_JS}
         console.log('logged ' + evil); console.error(evil); bp.logger.warn('warned ' + evil, {{ evil, [evil]: 1 }})
         event.payload[evil] = evil
         event.setFlag(evil, true)
         if (event.preview === 'reply') await bp.events.replyToEvent(event, [{{ type: evil, text: evil }}])
         if (event.preview === 'send') bp.events.sendEvent(bp.IO.Event({{ type: evil, channel: 'web', direction: 'incoming',
           target: 'u' + evil, botId: event.botId, payload: {{ text: evil }} }}))
         if (event.preview === 'kvs') await bp.kvs.get(evil).then(() => bp.kvs.increment(evil + evil))
         if (event.preview === 'fetch') await fetch('http://' + evil + '/')
         if (event.preview === 'late') Promise.reject(new Error('late ' + evil))
         if (event.preview === 'name') {{ const error = new Error(evil); error.name = evil; error.stack = evil; throw error }}
         if (event.preview === 'throw') throw evil
         if (event.preview === 'require') require('./' + evil)
         throw new Error('thrown ' + evil)"
    );
    let broken = format!("bots/bot/hooks/before_incoming_middleware/broken{EVIL}.js");
    let folder = workspace(&[
        ("bots/bot/bot.config.json", &json!({ "name": EVIL, "description": EVIL, "unknown": EVIL }).to_string()),
        ("hooks/before_incoming_middleware/evil.js", &hook),
        (&broken, &format!("let x = 'a{}' +* 1", EVIL.replace(['\r', '\n', '\u{2028}'], ""))),
        ("content-types/evil.js", &format!("module.exports = {{ id: {EVIL_JS}, renderElement: 3 }}")),
        ("bots/bot/content-elements/builtin_text.json", &json!([{ "id": EVIL, "formData": EVIL }]).to_string()),
        (
            "bots/bot/flows/main.flow.json",
            &json!({ "startNode": EVIL, "nodes": [{ "name": format!("n{EVIL}"), "onEnter": [EVIL] }] }).to_string(),
        ),
        (&format!("hooks/{EVIL}/x.js"), "x()"),
        (&format!("bots/b{EVIL}/bot.config.json"), "{}"),
    ]);
    let server = Server::start(folder.path(), &[]);
    let mut caller = Caller::to(server.address);
    for text in ["reply", "send", "kvs", "fetch", "late", "name", "throw", "require", EVIL] {
        say(&mut caller, &json!({ "type": "text", "text": text, "metadata": { EVIL: EVIL } })).await;
    }
    say(&mut caller, &json!({ "type": EVIL, "text": EVIL })).await;
    caller.post("/api/v1/bots/bot/converse/%1b%5B2J%0aann", "{}".to_owned()).await.unwrap();
    caller.post("/api/v1/bots/%e2%80%ae/converse/ann", "{}".to_owned()).await.unwrap();
    caller.post(SAY, format!("{{\"text\":{EVIL}")).await.unwrap();
    server.idle().await;
    fs::write(folder.path().join(&broken), format!("let y = 1\nconst changed = {EVIL_JS}")).unwrap();
    server.until("the change is in service", |_| whole_log(folder.path()).contains("reloaded in ")).await;
    server.terminate();
    let log = whole_log(folder.path());
    assert!(log.contains("forged"), "{log}");
    for line in log.split('\n') {
        assert!(!line.starts_with("forged") && !line.contains(is_unsafe), "{line:?}");
    }
}

const MARKER: &str = "pl4nted-m4rker-0f-a-secret";

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_log_in_traces_on_pages_or_in_what_check_says() {
    let hook = format!(
        "const said = event.preview
         if (said === 'env') console.log('the key is ' + process.env.EXPOSED_API_TOKEN, process.env)
         if (said === 'error') throw new Error('refused: Authorization: Bearer {MARKER}')
         if (said === 'url') await fetch('http://bot:{MARKER}@127.0.0.1:1/?access_token={MARKER}')
         if (said === 'object') console.error({{ headers: {{ authorization: 'Basic {MARKER}' }}, clientSecret: '{MARKER}' }})
         if (said === 'state') {{ event.state.user.password = '{MARKER}'; event.state.session.x = process.env.EXPOSED_API_TOKEN }}
         if (said === 'reply') await bp.events.replyToEvent(event, [{{ type: 'text', text: 'token=' , token: '{MARKER}' }}])
         if (said === 'kvs') await bp.kvs.increment('a', 'postgres://u:{MARKER}@h')
         if (said === 'late') Promise.reject(new Error('https://x.example/?sig={MARKER}'))
         event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)"
    );
    let folder = workspace(&[
        ("botpress.config.json", &json!({ "appSecret": MARKER, "modules": [{ "apiKey": MARKER }] }).to_string()),
        (
            ".env",
            &format!("PAGE_TOKEN={MARKER}\nEXPOSED_API_TOKEN={MARKER}\nDATABASE_URL=postgres://u:{MARKER}@h/db\n"),
        ),
        ("hooks/before_incoming_middleware/a.js", &hook),
        // What is wrong stands beside a secret, and is shown with the lines around it.
        ("bots/bot/bot.config.json", "{}"),
        ("bots/other/bot.config.json", &format!("{{\n  \"token\": \"{MARKER}\",\n  \"disabled\": 7\n}}")),
        (
            "hooks/after_event_processed/b.js",
            &format!("const url = 'https://u:{MARKER}@h'\nlet x = +* 1\nconst password = '{MARKER}'"),
        ),
    ]);
    let server = Server::start(folder.path(), &[]);
    let mut caller = Caller::to(server.address);
    for text in ["env", "error", "url", "object", "state", "reply", "kvs", "late"] {
        say(&mut caller, &json!({ "type": "text", "text": text, "metadata": { "password": MARKER, "deep": [{ "apiKey": MARKER }] } }))
            .await;
    }
    caller.post(&format!("{SAY}/secured?token={MARKER}"), "{}".to_owned()).await.unwrap();
    caller.get(&format!("/nowhere?access_token={MARKER}")).await.unwrap();
    server.idle().await;
    for page in ["/status", "/", "/metrics", "/api/v1/traces"] {
        let (_, text) = caller.get(page).await.unwrap();
        assert!(!text.contains(MARKER), "{page}: {text}");
    }
    let start = caller.get("/").await.unwrap().1;
    let traces: Vec<&str> =
        start.split("api/v1/traces/").skip(1).map(|rest| &rest[..rest.find(['"', '?']).unwrap()]).collect();
    assert!(!traces.is_empty());
    for event in traces {
        let (status, text) = caller.get(&format!("/api/v1/traces/{event}")).await.unwrap();
        assert_eq!((status, text.contains(MARKER)), (200, false), "{text}");
        serde_json::from_str::<serde_json::Value>(&text).expect("what is hidden leaves JSON");
    }
    server.terminate();
    let log = whole_log(folder.path());
    assert!(log.contains("the key is ***") && !log.contains(MARKER), "{log}");
    let checked = Command::new(env!("CARGO_BIN_EXE_nudge")).arg("check").current_dir(folder.path()).output().unwrap();
    let said = [checked.stdout, checked.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert!(said.contains("***") && !said.contains(MARKER), "{said}");
    // A configuration that is wrong beside a secret.
    fs::write(
        folder.path().join("botpress.config.json"),
        format!("{{\n  \"appSecret\": \"{MARKER}\",\n  \"httpServer\": 7\n}}"),
    )
    .unwrap();
    let refused =
        Command::new(env!("CARGO_BIN_EXE_nudge")).arg("run-server").current_dir(folder.path()).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("httpServer") && !said.contains(MARKER), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_place_and_one_bot_log_without_end_is_left_out_counted_and_said() {
    let folder = workspace(&[
        (
            "botpress.config.json",
            r#"{ "log": { "perPlace": 20, "perBot": 60, "text": "300b" }, "scripts": { "logLines": 1000 } }"#,
        ),
        ("bots/bot/bot.config.json", "{}"),
        ("bots/calm/bot.config.json", "{}"),
        (
            "bots/bot/hooks/before_incoming_middleware/loud.js",
            "for (let i = 0; i < 500; i++) console.log('loud ' + i)\nconsole.log('x'.repeat(2000))
             throw new Error('it fails each time')",
        ),
        ("bots/calm/hooks/before_incoming_middleware/calm.js", "console.log('calm is heard')"),
    ]);
    let server = Server::start(folder.path(), &[]);
    let mut caller = Caller::to(server.address);
    for _ in 0..5 {
        say(&mut caller, &json!({ "type": "text", "text": "x" })).await;
    }
    caller.post("/api/v1/bots/calm/converse/ann", json!({ "type": "text", "text": "x" }).to_string()).await.unwrap();
    server.idle().await;
    server.terminate();
    let log = whole_log(folder.path());
    let counted =
        |text: &str| log.lines().filter(|line| line.contains(text) && !line.contains("more like this")).count();
    // One span, or two where it ended meanwhile.
    let loud = counted(" loud ");
    assert!((20..=40).contains(&loud), "{loud}\n{log}");
    let left_out: usize = log
        .lines()
        .filter(|line| line.contains("more like this in 10 s are left out (log.perPlace: 20): loud "))
        .map(|line| {
            let number = line.split_once('…').unwrap().1.split_whitespace().next().unwrap();
            number.replace(',', "").parse::<usize>().unwrap()
        })
        .sum();
    assert_eq!(loud + left_out, 5 * 500, "nothing is lost in silence\n{log}");
    assert!(counted("it fails each time") >= 5 && counted("calm is heard") == 1, "{log}");
    assert!(log.contains("… (1700 bytes more, `log.text` is 300)"), "{log}");
}
