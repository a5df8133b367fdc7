//! Hot reload of a real server where the system grants too few watches, or none.

#[path = "common/server.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod server;

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;
use server::{Caller, Server, log_of, workspace};

/// Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(60);

const KINDS: [&str; 3] = ["before_incoming_middleware", "after_incoming_middleware", "after_event_processed"];

#[tokio::test(flavor = "multi_thread")]
async fn without_enough_watches_changes_are_seen_all_the_same_and_that_is_said_once() {
    for (watches, watchers, limit) in
        [(4, 10, "fs.inotify.max_user_watches"), (100, 0, "fs.inotify.max_user_instances")]
    {
        let folder = workspace(&[("bots/bot/bot.config.json", "{}")]);
        let path = |kind: &str, sub: &str| folder.path().join(format!("bots/bot/hooks/{kind}{sub}"));
        for kind in KINDS {
            fs::create_dir_all(path(kind, "/deep")).unwrap();
        }
        let Some(server) = Server::start_with_watches(watches, watchers, folder.path(), &[]) else {
            // Where nobody may make a user namespace there is no way to lower the limit for one process.
            return;
        };
        let mut caller = Caller::to(server.address);
        for round in 0..2 {
            for (n, kind) in KINDS.iter().enumerate() {
                let text = format!("await bp.kvs.set('{kind}', {round})\nbp.logger.info('{kind} {round}')");
                fs::write(path(kind, ["/a.js", "/deep/b.js"][n % 2]), text).unwrap();
            }
            for kind in KINDS {
                // Events are sent until the new text answers.
                let wanted = format!("{kind} {round}");
                let started = Instant::now();
                while !log_of(folder.path()).contains(&wanted) {
                    let body = json!({ "type": "text", "text": "x" }).to_string();
                    caller.post("/api/v1/bots/bot/converse/ann", body).await.unwrap();
                    server.idle().await;
                    assert!(started.elapsed() < PATIENCE, "{}", log_of(folder.path()));
                }
            }
        }
        let log = log_of(folder.path());
        assert_eq!(log.matches("cannot watch ").count(), 1, "{log}");
        assert!(log.contains(limit), "{log}");
    }
}
