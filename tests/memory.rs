//! What is remembered for how long, as it is configured: of a bot that is served, with its configuration saved meanwhile.

#[path = "common/app.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod app;
#[path = "common/client.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod client;

use std::fs;
use std::time::{Duration, Instant};

use app::TestApp;
use nudge::clock::Clock;
use serde_json::{Value, json};

/// How long anything may take that is waited for. Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

const MAIN: &str = r#"{ "startNode": "ask", "nodes": [
  { "name": "ask", "onEnter": ["say #builtin_text {\"text\":\"What now?\",\"typing\":false}"], "onReceive": [],
    "next": [{ "condition": "true", "node": "ask" }] },
  { "name": "timeout", "onEnter": ["say #builtin_text {\"text\":\"Good-bye.\",\"typing\":false}"] }
] }"#;

/// Says how the user is, and takes a new mood from the message.
const MOOD: &str = "
if (event.preview !== 'how?') event.state.user.mood = event.preview
event.state.user.seen = true
event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
await bp.events.replyToEvent(event, [{ type: 'text', text: `${event.state.user.mood} ${event.state.user.seen}` }])
";

/// A server on these files, with a clock that is moved by hand.
async fn serve(files: &[(&str, &str)]) -> (TestApp, Clock) {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let clock = Clock::manual(1_790_000_000_000);
    let app = TestApp::serve(folder, |options| {
        options.clock = clock.clone();
        options.watch = true;
    });
    (app.await, clock)
}

async fn say(app: &TestApp, text: &str) -> Vec<String> {
    let body = json!({ "type": "text", "text": text }).to_string();
    let answer = app.client.post("/api/v1/bots/bot/converse/ann", body).await.json();
    let texts = answer["responses"].as_array().unwrap().iter().map(|reply| reply["text"].as_str().unwrap().to_owned());
    texts.collect()
}

async fn status(app: &TestApp) -> Value {
    app.client.get("/status").await.json()
}

/// Moves the clock, waits until the janitor has looked, and gives how many dialogs have timed out so far.
async fn later(app: &TestApp, clock: &Clock, by: Duration) -> u64 {
    clock.advance(by);
    let started = Instant::now();
    loop {
        let queue = status(app).await["queue"].take();
        if queue["janitor"].as_u64().unwrap() >= clock.now() && queue["processed"] == queue["accepted"] {
            return queue["timeouts"].as_u64().unwrap();
        }
        assert!(started.elapsed() < PATIENCE, "{queue}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bots_own_intervals_count_from_the_moment_in_which_its_configuration_is_saved() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    let file = "bots/bot/bot.config.json";
    let (app, clock) = serve(&[
        (file, r#"{ "dialog": { "timeoutInterval": "5m", "sessionTimeoutInterval": "1h" } }"#),
        ("bots/bot/flows/main.flow.json", MAIN),
    ])
    .await;
    assert_eq!(say(&app, "hi").await, ["What now?"]);
    assert_eq!(later(&app, &clock, minutes(4)).await, 0);
    assert_eq!(later(&app, &clock, minutes(1)).await, 1);
    assert_eq!(say(&app, "hi").await, ["What now?"]);
    let before = status(&app).await["queue"]["program"].as_u64().unwrap();
    fs::write(app.folder.path().join(file), r#"{ "dialog": { "timeoutInterval": "10m" } }"#).unwrap();
    let started = Instant::now();
    while status(&app).await["queue"]["program"].as_u64().unwrap() == before {
        assert!(started.elapsed() < PATIENCE, "the configuration is not read");
    }
    // What was stored before keeps its time.
    assert_eq!(later(&app, &clock, minutes(5)).await, 2);
    assert_eq!(say(&app, "hi").await, ["What now?"]);
    assert_eq!(later(&app, &clock, minutes(9)).await, 2);
    assert_eq!(later(&app, &clock, minutes(1)).await, 3);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_with_a_policy_are_forgotten_some_time_after_they_were_written() {
    let (app, clock) = serve(&[
        ("botpress.config.json", r#"{ "dataRetention": { "janitorInterval": "1h", "policies": { "mood": "2d" } } }"#),
        ("bots/bot/bot.config.json", "{}"),
        ("hooks/before_incoming_middleware/mood.js", MOOD),
    ])
    .await;
    let hours = |hours: u64| Duration::from_secs(3_600 * hours);
    assert_eq!(say(&app, "fine").await, ["fine true"]);
    clock.advance(hours(47));
    assert_eq!(say(&app, "better").await, ["better true"]);
    clock.advance(hours(47));
    assert_eq!(say(&app, "how?").await, ["better true"], "it was written again since");
    clock.advance(hours(1));
    let started = Instant::now();
    while say(&app, "how?").await != ["undefined true"] {
        assert!(started.elapsed() < PATIENCE, "it is not forgotten");
    }
    app.stop().await;
}
