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
