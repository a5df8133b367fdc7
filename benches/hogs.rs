//! How long other users wait while four users run `while (true) {}` without pause: `cargo bench --bench hogs`.
//!
//! A server of its own with real processes; the hogs send their next event as soon as the last one is over. The others speak
//! one after the other to the same bot and to another, over new connections. Prints the waits without and with hogs.

#[path = "../tests/common/client.rs"]
mod client;
#[path = "../tests/common/process.rs"]
mod process;
#[path = "../tests/common/processes.rs"]
mod processes;

use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use client::Client;
use process::{ServerProcess, pss};

const HOGS: u32 = 4;
const HOOK: &str = "
if (event.type === 'hog') while (true) {}
if (event.channel === 'api') return bp.events.replyToEvent(event, [{ type: 'text', text: 'pong' }])";

fn main() {
    // As a test (`cargo test --benches`) it only shows that it works.
    let seconds = if std::env::args().any(|argument| argument == "--bench") { 20 } else { 3 };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let report = runtime.block_on(measure(Duration::from_secs(seconds)));
    std::io::stdout().write_all(report.as_bytes()).unwrap();
}

async fn measure(time: Duration) -> String {
    let folder = tempfile::tempdir().unwrap();
    let files = ["a", "b"].map(|bot| (format!("bots/{bot}/bot.config.json"), "{ \"name\": \"B\" }"));
    for (path, text) in
        files.iter().map(|(path, text)| (path.as_str(), *text)).chain([("hooks/before_incoming_middleware/x.js", HOOK)])
    {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let server = ServerProcess::start(folder.path(), &[]).await;
    let client = server.client;
    others(client, Duration::from_millis(500)).await;
    let quiet = others(client, time / 4).await;
    let (stop, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let hogs: Vec<_> = (0..HOGS)
        .map(|number| {
            let (stop, over, log) = (Arc::clone(&stop), Arc::clone(&over), Arc::clone(&server.log));
            tokio::spawn(async move {
                let mut longest: f64 = 0.0;
                for round in 0_u32.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let user = format!("hog-{number}-{round}");
                    client.post(&format!("/api/v1/bots/a/mod/channel-web/events/{user}"), r#"{"type":"hog"}"#).await;
                    let took = log.wait("the hog is over", |entry| {
                        (entry["trace"]["target"] == user.as_str()).then(|| entry["trace"]["tookMs"].as_f64().unwrap())
                    });
                    longest = longest.max(took.await);
                    over.fetch_add(1, Ordering::Relaxed);
                }
                longest
            })
        })
        .collect();
    let hogged = others(client, time).await;
    stop.store(true, Ordering::Relaxed);
    let mut longest: f64 = 0.0;
    for hog in hogs {
        longest = longest.max(hog.await.unwrap());
    }
    let queue = client.get("/status").await.json()["queue"].take();
    let scripts = processes::of_server(server.pid).into_iter().map(|process| process.pid.unsigned_abs());
    let resident: u64 = scripts.chain([server.pid]).map(pss).sum();
    format!(
        "without hogs  {}\nfour hogs     {}\n{} hogs were over, the longest after {longest:.0} ms; {} realms killed; {} MB (PSS) in all\n",
        line(quiet),
        line(hogged),
        over.load(Ordering::Relaxed),
        queue["realmsKilled"],
        resident >> 10
    )
}

/// Other users of both bots, one call after the other.
async fn others(client: Client, time: Duration) -> Vec<Duration> {
    let (begun, mut waits) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let bot = ["a", "b"][waits.len() % 2];
        let asked = Instant::now();
        let path = format!("/api/v1/bots/{bot}/converse/other-{}", waits.len() % 50);
        let answer = client.post(&path, r#"{"type":"text","text":"hi"}"#).await;
        waits.push(asked.elapsed());
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    waits
}

fn line(mut waits: Vec<Duration>) -> String {
    waits.sort();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    format!(
        "{} calls, p50 {:.1?}, p99 {:.1?}, p99.9 {:.1?}, worst {:.1?}",
        waits.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    )
}
