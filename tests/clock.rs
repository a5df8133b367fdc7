//! The machine's clock is set while people talk: what is said is seen, in its order, over HTTP and across a restart.

#[path = "common/app.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod app;
#[path = "common/client.rs"]
mod client;

use app::TestApp;
use nudge::clock::Clock;
use serde_json::Value;

const NOW: u64 = 1_795_330_099_736;
const HOUR: u64 = 3_600_000;
const WEB: &str = "/api/v1/bots/open/mod/channel-web";

const FILES: [(&str, &str); 2] = [
    ("bots/open/bot.config.json", "{}"),
    (
        "hooks/before_incoming_middleware/echo.js",
        "if (event.type !== 'text') return
        event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
        bp.events.replyToEvent(event, [{ type: 'text', text: `you said ${event.payload.text}` }])",
    ),
];

async fn say(app: &TestApp, text: &str) {
    let answer = app.client.post(&format!("{WEB}/messages/ann"), format!(r#"{{"type":"text","text":"{text}"}}"#)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    app.processed().await;
}

async fn seen(app: &TestApp) -> Vec<String> {
    let messages = app.client.get(&format!("{WEB}/conversations/ann/1")).await.json()["messages"].take();
    let text = |message: &Value| message["message_text"].as_str().unwrap().to_owned();
    messages.as_array().unwrap().iter().map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_writes_while_the_clock_is_set_back_sees_the_answers_at_once_also_after_a_restart() {
    let clock = Clock::manual(NOW);
    let mut folder = app::written(&FILES);
    let mut expected = Vec::new();
    for (start, sets) in [(NOW, NOW - HOUR), (NOW - 120 * HOUR, 0), (NOW - HOUR, NOW - 2 * HOUR)] {
        let clock = if start == NOW { clock.clone() } else { Clock::manual(start) };
        let app = TestApp::serve(folder, |options| options.clock = clock.clone()).await;
        for (text, set) in [("first", None), ("second", Some(sets)), ("third", Some(start))] {
            if let Some(wall) = set {
                clock.set(wall);
            }
            say(&app, text).await;
            expected.extend([text.to_owned(), format!("you said {text}")]);
            assert_eq!(seen(&app).await, expected, "started at {start}, set to {set:?}");
        }
        folder = app.stop_and_keep().await;
    }
}
