//! A disk that is full, as a limit of how large files may grow: what cannot be stored is refused in a way that callers understand,
//! is said once, and all goes on where there is room again.
#![cfg(target_os = "linux")]

#[path = "common/far.rs"]
mod far;
#[path = "common/server.rs"]
mod server;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use far::Far;
use serde_json::Value;
use server::{Caller, Server, log_of, workspace};

const EVENTS: &str = "/api/v1/bots/welcome-bot/mod/channel-web/events/ann";

/// How long anything may take that is waited for: the server tries every five seconds whether it can store.
const PATIENCE: Duration = Duration::from_secs(30);

/// Scripts may call servers of this machine.
const LOCAL: (&str, &str) = ("botpress.config.json", r#"{ "fetch": { "private": true } }"#);

/// How large the server's files may become from here on.
fn limit(server: &Server, bytes: &str) {
    let status =
        Command::new("prlimit").args(["--pid", &server.pid().to_string(), &format!("--fsize={bytes}:")]).status();
    assert!(status.unwrap().success());
}

async fn json(caller: &mut Caller, path: &str) -> (u16, Value) {
    let (status, body) = caller.get(path).await.unwrap();
    (status, serde_json::from_str(&body).unwrap())
}

/// Asks for the status until it is so.
async fn until(folder: &Path, caller: &mut Caller, mut so: impl FnMut(u16, &Value) -> bool) {
    let started = Instant::now();
    loop {
        let (status, body) = json(caller, "/status").await;
        if so(status, &body) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "it never comes to that: {status} {body}\n{}", log_of(folder));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_503_for_callers_and_probes_one_line_in_the_log_and_over_when_there_is_room() {
    let folder = workspace(&[]);
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    let mut caller = Caller::to(server.address);
    let event = r#"{"type":"nothing","channel":"web","payload":{"text":"hello"}}"#.to_owned();
    assert_eq!(caller.post(EVENTS, event.clone()).await.unwrap().0, 200);
    server.idle().await;
    limit(&server, &fs::metadata(folder.path().join("data.db-wal")).unwrap().len().to_string());
    for _ in 0..10 {
        let (status, body) = caller.post(EVENTS, event.clone()).await.unwrap();
        assert_eq!(status, 503, "{body}");
        assert!(body.contains("BP_0053") && body.contains("nothing can be stored at present"), "{body}");
        let converse = "/api/v1/bots/welcome-bot/converse/bob";
        assert_eq!(caller.post(converse, r#"{"type":"text","text":"hi"}"#.into()).await.unwrap().0, 503);
    }
    let (status, body) = json(&mut caller, "/status").await;
    assert_eq!((status, &body["status"]), (503, &"cannot store".into()), "{body}");
    assert!(body["store"]["refused"].as_u64().unwrap() >= 20, "{body}");
    assert!(caller.get("/metrics").await.unwrap().1.contains("nudge_cannot_store 1"));
    limit(&server, "unlimited");
    assert_eq!(caller.post(EVENTS, event).await.unwrap().0, 200);
    server.idle().await;
    assert_eq!(json(&mut caller, "/status").await.1["status"], "ok");
    assert!(server.terminate().success());
    let log = log_of(folder.path());
    assert_eq!(log.matches("nothing can be stored").count(), 1, "{log}");
    assert_eq!(log.matches(" error ").count(), 1, "{log}");
}

/// Answers when the far server lets it, so that its reply finds a full disk; and says what it is about to do, to that server.
fn late(far: &Far) -> String {
    format!(
        "event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
        if (event.type !== 'late') return
        await (await fetch('{}/gate')).text()
        bp.events.replyToEvent(event, [{{ type: 'text', text: 'here it is: ' + 'x'.repeat(5000) }}])",
        far.url()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_event_waits_for_room_calls_nobody_meanwhile_and_is_over_though_nobody_else_writes() {
    let far = Far::start().await;
    let folder = workspace(&[LOCAL, ("hooks/before_incoming_middleware/late.js", &late(&far))]);
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    let mut caller = Caller::to(server.address);
    let event = r#"{"type":"late","channel":"web","payload":{"text":"hello"}}"#.to_owned();
    assert_eq!(caller.post(EVENTS, event).await.unwrap().0, 200);
    far.arrived(1).await;
    limit(&server, &fs::metadata(folder.path().join("data.db-wal")).unwrap().len().to_string());
    far.open();
    until(folder.path(), &mut caller, |status, body| status == 503 && body["queue"]["waiting"] == 1).await;
    // As long as what other events need, many times over.
    let other = r#"{"type":"nothing","channel":"web","payload":{}}"#;
    for _ in 0..200 {
        assert_eq!(caller.post(&EVENTS.replace("/ann", "/bob"), other.to_owned()).await.unwrap().0, 503);
    }
    let (status, body) = json(&mut caller, "/status").await;
    assert_eq!((status, &body["queue"]["processed"]), (503, &0.into()), "{body}");
    assert!(body["store"]["why"].is_null() && !body["store"]["refused"].is_null(), "{body}");
    assert_eq!(far.calls(), 1);
    limit(&server, "unlimited");
    // Nobody writes: the server itself sees that there is room.
    until(folder.path(), &mut caller, |status, body| status == 200 && body["queue"]["processed"] == 1).await;
    assert_eq!(far.calls(), 2);
    let replies = server::replies(folder.path());
    assert_eq!(replies.len(), 1, "{replies:?}");
    assert_eq!(log_of(folder.path()).matches(" waits until something can be stored").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_hooks_without_an_event_lose_and_files_without_room_are_said() {
    let far = Far::start().await;
    let hook = format!(
        "fetch('{}/gate').then(() => bp.events.sendEvent(bp.IO.Event({{
          type: 'text', direction: 'outgoing', channel: 'web', target: 'ann', botId, payload: {{ text: 'x'.repeat(5000) }}
        }})))",
        far.url()
    );
    let folder = workspace(&[LOCAL, ("hooks/after_bot_mount/late.js", &hook)]);
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    let mut caller = Caller::to(server.address);
    let bots = "/api/v1/bots/welcome-bot/mod/channel-web";
    let (_, made) = caller.post(&format!("{bots}/conversations/ann/new"), String::new()).await.unwrap();
    let conversation = serde_json::from_str::<Value>(&made).unwrap()["convoId"].clone();
    far.arrived(1).await;
    let largest = fs::metadata(folder.path().join("data.db-wal")).unwrap().len();
    limit(&server, &largest.to_string());
    let body = format!(
        "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\nContent-Type: text/plain\r\n\r\n{}\r\n--X--\r\n",
        "x".repeat(usize::try_from(largest).unwrap() + 1)
    );
    let files = format!("{bots}/messages/ann/files?conversationId={conversation}");
    for _ in 0..3 {
        let (status, answer) = caller.post_as("multipart/form-data; boundary=X", &files, body.clone()).await.unwrap();
        assert_eq!(status, 503, "{answer}");
    }
    let log = log_of(folder.path());
    assert_eq!(log.matches("make room on its disk (1 files were refused").count(), 1, "{log}");
    far.open();
    let lost = "of a after_bot_mount hook could not be stored and is lost";
    until(folder.path(), &mut caller, |_, _| log_of(folder.path()).contains(lost)).await;
    assert!(log_of(folder.path()).lines().any(|line| line.contains(lost) && line.contains("welcome-bot")));
}
