//! A hundred thousand dialogs that have expired when the server starts: how long until all have timed out, and how long
//! somebody waits who talks to the same bot meanwhile. `cargo bench --bench timeouts`.

#[path = "../tests/common/client.rs"]
mod client;
#[path = "../tests/common/process.rs"]
mod process;

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use client::Client;
use process::ServerProcess;
use rusqlite::Connection;

const FLOW: &str = r#"{ "startNode": "ask", "nodes": [
  { "name": "ask", "onEnter": ["say #builtin_text {\"text\":\"What now?\",\"typing\":false}"], "onReceive": [],
    "next": [{ "condition": "true", "node": "ask" }] },
  { "name": "timeout", "onEnter": ["say #builtin_text {\"text\":\"Good-bye.\",\"typing\":false}"] }
] }"#;

fn main() {
    // As a test (`cargo test --benches`) it only shows that it works.
    let dialogs = if std::env::args().any(|argument| argument == "--bench") { 100_000 } else { 300 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let report = runtime.block_on(measure(dialogs));
    std::io::stdout().write_all(report.as_bytes()).unwrap();
}

async fn measure(dialogs: u64) -> String {
    let folder = tempfile::tempdir().unwrap();
    let files = [("bots/bot/bot.config.json", "{}"), ("bots/bot/flows/main.flow.json", FLOW)];
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let server = ServerProcess::start(folder.path(), &["--production"]).await;
    talk(server.client, 200).await;
    let quiet = talk(server.client, 1_000).await;
    expired(folder.path(), dialogs);
    let begun = Instant::now();
    let mut waits = Vec::new();
    let took = loop {
        waits.extend(talk(server.client, 10).await);
        let queue = server.client.get("/status").await.json()["queue"].take();
        if queue["timeouts"] == dialogs && queue["processed"] == queue["accepted"] {
            break begun.elapsed();
        }
    };
    format!(
        "{dialogs} dialogs timed out in {took:.1?}, the time until they were found included\nquiet      {}\nmeanwhile  {}\n",
        line(quiet),
        line(waits)
    )
}

/// So many dialogs, which have expired just now.
fn expired(folder: &Path, dialogs: u64) {
    let database = Connection::open(folder.join("data.db")).unwrap();
    database.busy_timeout(Duration::from_secs(30)).unwrap();
    let context = r#"{"currentFlow":"main.flow.json","currentNode":"ask","jumpPoints":[],"queue":{"at":"main.flow.json#ask","stage":"wait","done":0}}"#;
    database
        .execute_batch(&format!(
            "BEGIN;
             CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT {dialogs}) SELECT i FROM n;
             INSERT INTO users (channel, user_id, attributes, created_at, updated_at) SELECT 'api', 'late-' || i, '{{}}', 1, 1 FROM n;
             INSERT INTO sessions (bot, channel, target, thread, session, temp, context, expires_on, times_out_on)
               SELECT 'bot', 'api', 'late-' || i, x'', '{{\"lastMessages\":[]}}', '{{}}', '{context}', 9000000000000, 1 FROM n;
             COMMIT;"
        ))
        .unwrap();
}

/// Somebody says one thing after the other.
async fn talk(client: Client, times: usize) -> Vec<Duration> {
    let mut waits = Vec::new();
    for _ in 0..times {
        let asked = Instant::now();
        let answer = client.post("/api/v1/bots/bot/converse/there", r#"{"type":"text","text":"hi"}"#).await;
        waits.push(asked.elapsed());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    waits
}

fn line(mut waits: Vec<Duration>) -> String {
    waits.sort();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    format!("{} calls, p50 {:.1?}, p99 {:.1?}, worst {:.1?}", waits.len(), at(0.5), at(0.99), at(1.0))
}
