//! Bots share the store: whatever one asks for, another's call is served after a few of its calls, counted, and what each may
//! have there has limits.

#[path = "common/app.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod app;
#[path = "common/client.rs"]
mod client;

use app::TestApp;
use serde_json::{Value, json};

const CONFIG: &str = r#"{ "kvs": { "maxValue": "4mb" }, "shortLinks": { "perBot": 3, "maxTarget": "300b" } }"#;

const BOT: &str = r#"{ "name": "B" }"#;

const HOOK: &str = r#"
const say = text => bp.events.replyToEvent(event, [{ type: 'text', text: String(text) }])
const [what, count] = event.preview.split(' ')
if (what === 'prepare') {
  await bp.kvs.set('hostile', 'big', { long: 'x'.repeat(2000000), n: 0 })
  await bp.kvs.set('calm', 'small', 7)
  await say('prepared')
}
if (what === 'flood') {
  for (let i = 0; i < 900; i++) bp.kvs.increment('hostile', 'big', 1, 'n').catch(() => {})
}
if (what === 'seen') await say(await bp.kvs.get('hostile', 'big', 'n'))
if (what === 'calm') {
  const before = await bp.kvs.get('hostile', 'big', 'n')
  const small = await bp.kvs.get('calm', 'small')
  await bp.kvs.set('calm', 'small', small + 1)
  const after = await bp.kvs.get('hostile', 'big', 'n')
  await say(JSON.stringify({ before, small, after }))
}
if (what === 'links') {
  const told = []
  for (let i = 0; i < Number(count); i++) {
    await bp.http.createShortLink('link' + i, 'http://example.org/' + event.botId).catch(error => told.push(error.message))
  }
  await say(JSON.stringify(told))
}
if (what === 'long') {
  const told = []
  for (const length of [300, 301]) {
    await bp.http.createShortLink('long', 'x'.repeat(length)).catch(error => told.push(error.message))
  }
  await say(JSON.stringify(told))
}
"#;

async fn start() -> TestApp {
    TestApp::start_with(&[
        ("botpress.config.json", CONFIG),
        ("bots/hostile/bot.config.json", BOT),
        ("bots/calm/bot.config.json", BOT),
        ("hooks/before_incoming_middleware/hook.js", HOOK),
    ])
    .await
}

/// What the bot answers.
async fn say(app: &TestApp, bot: &str, user: &str, text: &str) -> Vec<String> {
    let path = format!("/api/v1/bots/{bot}/converse/{user}");
    let answer = app.client.post(&path, json!({ "type": "text", "text": text }).to_string()).await;
    let body = answer.json();
    // A call whose event goes on for long is given up.
    let replies = body["responses"].as_array().into_iter().flatten();
    replies.filter_map(|reply| reply["text"].as_str()).map(ToOwned::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_calm_bots_calls_are_served_after_a_few_of_nine_hundred_that_another_asks_for_at_once() {
    let app = start().await;
    say(&app, "hostile", "h", "prepare").await;
    let flood = say(&app, "hostile", "h", "flood");
    let calm = async {
        // The flood has begun.
        while say(&app, "calm", "c", "seen").await == ["0"] {}
        say(&app, "calm", "c", "calm").await
    };
    let (_, calm) = tokio::join!(flood, calm);
    let calm: Value = serde_json::from_str(&calm[0]).unwrap();
    let (before, after) = (calm["before"].as_u64().unwrap(), calm["after"].as_u64().unwrap());
    assert_eq!(calm["small"], 7);
    assert!(after - before <= 20, "{before} to {after} of 900 were served meanwhile");
    assert!(after < 900);
}

#[tokio::test(flavor = "multi_thread")]
async fn short_links_belong_to_their_bot_and_have_a_length_and_a_number() {
    let app = start().await;
    assert_eq!(say(&app, "hostile", "h", "links 2").await, ["[]"]);
    let refused = say(&app, "hostile", "h", "links 3").await;
    assert!(refused[0].contains("bot \\\"hostile\\\" has 3 short links, at most 3 are allowed (`shortLinks.perBot`)"));
    let refused = say(&app, "calm", "c", "links 1").await;
    assert!(refused[0].contains("short link \\\"link0\\\" belongs to bot \\\"hostile\\\""), "{refused:?}");
    let refused = say(&app, "calm", "c", "long").await;
    assert!(refused[0].contains("has 301 bytes, at most 300 are allowed (`shortLinks.maxTarget`)"), "{refused:?}");
    let followed = app.client.get("/s/LINK0").await;
    assert_eq!((followed.status, followed.header("location")), (302, "http://example.org/hostile"));
    assert_eq!(app.client.get("/s/calm").await.status, 302, "the bot's own");
    app.stop().await;
}
