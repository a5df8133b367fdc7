//! A disk that is full, as a limit of how large files may grow: what cannot be stored is refused in a way that callers understand,
//! is said once, and all goes on where there is room again.
#![cfg(target_os = "linux")]

#[path = "common/server.rs"]
mod server;

use std::fs;
use std::process::Command;

use serde_json::Value;
use server::{Caller, Server, log_of, workspace};

const EVENTS: &str = "/api/v1/bots/welcome-bot/mod/channel-web/events/ann";

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

/// Answers late, so that its reply finds a full disk.
const LATE: &str = "event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
if (event.type !== 'late') return
await new Promise(done => setTimeout(done, Math.max(0, 1500 - (Date.now() - event.createdOn))))
bp.events.replyToEvent(event, [{ type: 'text', text: 'here it is: ' + 'x'.repeat(5000) }])
";

#[tokio::test(flavor = "multi_thread")]
async fn an_accepted_event_waits_for_room_however_long_and_its_reply_is_stored_once() {
    let folder = workspace(&[("hooks/before_incoming_middleware/late.js", LATE)]);
    let server = Server::start(folder.path(), &["--production", "--no-watch"]);
    let mut caller = Caller::to(server.address);
    let event = r#"{"type":"late","channel":"web","payload":{"text":"hello"}}"#.to_owned();
    assert_eq!(caller.post(EVENTS, event).await.unwrap().0, 200);
    limit(&server, &fs::metadata(folder.path().join("data.db-wal")).unwrap().len().to_string());
    // More often than an event runs of which something else cannot be stored.
    let mut again = 0;
    while again < 6 {
        let (_, body) = json(&mut caller, "/status").await;
        again = body["queue"]["runAgain"].as_u64().unwrap();
        assert_eq!(body["queue"]["processed"], 0, "{body}\n{}", log_of(folder.path()));
    }
    limit(&server, "unlimited");
    let other = r#"{"type":"nothing","channel":"web","payload":{}}"#.to_owned();
    assert_eq!(caller.post(&EVENTS.replace("/ann", "/bob"), other).await.unwrap().0, 200);
    server.idle().await;
    let replies = server::replies(folder.path());
    assert_eq!(replies.len(), 1, "{replies:?}");
    assert_eq!(log_of(folder.path()).matches(" runs again until what it does can be stored").count(), 1);
}
