//! The Converse API as its callers see it: each its own replies, what is added with a token, and how long it waits.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;

use std::sync::Arc;

use app::TestApp;
use client::Answer;
use serde_json::{Value, json};

const BOT: (&str, &str) = ("bots/open/bot.config.json", "{}");
const MAIN: &str = "bots/open/flows/main.flow.json";

async fn start(files: &[(&str, &str)]) -> (TestApp, String) {
    let app = TestApp::start_with(files).await;
    let token = format!("Bearer {}", app.token(&[]));
    (app, token)
}

async fn post(app: &TestApp, path: &str, token: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("authorization", token)];
    app.client.send("POST", &format!("/api/v1/bots/open/converse/{path}"), &headers, body.to_string().into()).await
}

fn texts(answer: &Answer) -> Vec<String> {
    let said = answer.json();
    said["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["text"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_calls_of_one_user_at_once_get_each_its_own_replies_late_ones_too() {
    let hook = "event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
      event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
      event.state.session.count = (event.state.session.count || 0) + 1
      const say = text => bp.events.replyToEvent(event, [{ type: 'text', text: `${event.payload.text} ${text}` }])
      say('at once')
      bp.kvs.set('x', event.id, 1).then(() => say('later'))
      setTimeout(() => say('last'), event.payload.text % 7)";
    let (app, token) = start(&[BOT, ("hooks/after_incoming_middleware/a.js", hook)]).await;
    let app = Arc::new(app);
    let calls = (0..50).map(|number| {
        let (app, token) = (Arc::clone(&app), token.clone());
        tokio::spawn(async move {
            // Every other one asks for more, which must be its own as well.
            let path = if number % 2 == 0 { "ann" } else { "ann/secured?include=state,decision" };
            let answer = post(&app, path, &token, &json!({ "type": "text", "text": number.to_string() })).await;
            (number, answer)
        })
    });
    let mut counts = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        let (number, answer) = call.await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        let mut said = texts(&answer);
        assert_eq!(said[0], format!("{number} at once"));
        said.sort();
        assert_eq!(said, ["at once", "last", "later"].map(|what| format!("{number} {what}")));
        if number % 2 == 1 {
            counts.push(answer.json()["state"]["session"]["count"].as_u64().unwrap());
        }
    }
    counts.sort_unstable();
    counts.dedup();
    assert_eq!(counts.len(), 25, "each has the state as its own event left it");
    Arc::into_inner(app).unwrap().stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contexts_and_metadata_reach_the_event_and_the_limits_are_told() {
    let hook = "event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
      const text = JSON.stringify([event.type, event.nlu.includedContexts, event.payload])
      bp.events.replyToEvent(event, [{ type: 'text', text }])";
    let (app, token) = start(&[BOT, ("hooks/after_incoming_middleware/a.js", hook)]).await;
    let body = json!({ "type": "text", "text": "a", "includedContexts": ["x", "y"], "metadata": { "k": [1] } });
    let payload = r#"{"type":"text","text":"a","metadata":{"k":[1]}}"#;
    for path in ["ann", "ann/secured"] {
        assert_eq!(texts(&post(&app, path, &token, &body).await), [format!(r#"["text",["x","y"],{payload}]"#)]);
    }
    let custom = json!({ "type": "custom", "includedContexts": ["z"], "any": 1 });
    let said = texts(&post(&app, "ann/secured", &token, &custom).await);
    assert_eq!(said, [r#"["custom",["z"],{"type":"custom","any":1}]"#]);
    for (path, body, status) in [
        ("ann", json!({ "type": "text", "text": "x".repeat(360) }), 200),
        ("ann", json!({ "type": "text", "text": "x".repeat(361) }), 400),
        ("ann/secured", json!({ "type": "text", "text": "x".repeat(361) }), 400),
        ("ann/secured", json!({ "type": "custom", "text": "x".repeat(361) }), 200),
        ("ann", json!({ "type": "custom", "text": "x" }), 400),
        ("ann/secured", json!({ "type": "x".repeat(201) }), 400),
        ("ann?include=responses", json!({ "text": "x" }), 200),
        ("ann?include=state", json!({ "text": "x" }), 401),
        ("ann/secured?include=STATE", json!({ "text": "x" }), 200),
    ] {
        let answer = post(&app, path, &token, &body).await;
        assert_eq!(answer.status, status, "{path} {body}: {}", answer.body);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_in_which_an_action_runs_does_not_count_and_any_other_does() {
    let config =
        ("botpress.config.json", r#"{ "converse": { "timeout": "2500ms" }, "scripts": { "floating": "10s" } }"#);
    let flow = json!({
        "version": "0.0.1", "startNode": "entry", "catchAll": {},
        "nodes": [{
            "name": "entry", "onEnter": [], "onReceive": ["wait {}", "say #builtin_text {\"text\":\"done\"}"],
            "next": [{ "condition": "true", "node": "entry" }]
        }, {
            "name": "unused", "onEnter": [], "onReceive": null, "next": []
        }]
    });
    let flow = flow.to_string();
    let wait = |text: &str| {
        format!("if (event.payload.text === '{text}') return new Promise(resolve => setTimeout(resolve, 3500))")
    };
    let (action, hook) = (wait("action"), wait("hook"));
    let files = [
        BOT,
        config,
        (MAIN, &flow),
        ("bots/open/actions/wait.js", &action),
        ("hooks/before_incoming_middleware/a.js", &hook),
    ];
    let (app, token) = start(&files).await;
    let say = async |text: &str| post(&app, "ann", &token, &json!({ "type": "text", "text": text })).await;
    // The first message enters the node, which waits for the next one.
    assert_eq!(say("enter").await.status, 200);
    let answer = say("action").await;
    assert_eq!((answer.status, texts(&answer)), (200, vec!["done".to_owned()]), "{}", answer.body);
    let late = say("hook").await;
    assert_eq!((late.status, &late.json()["errorCode"]), (500, &"BP_000".into()));
    // What the event says later answers nobody: this call has its own replies alone.
    app.processed().await;
    let answer = say("again").await;
    assert_eq!((answer.status, texts(&answer)), (200, vec!["done".to_owned()]), "{}", answer.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_over_the_api_is_read_with_a_token_and_never_with_what_the_web_chat_asks_for() {
    let hook = "event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
      bp.events.replyToEvent(event, [{ type: 'text', text: `You said ${event.payload.text}` }])";
    let (app, token) = start(&[BOT, ("hooks/after_incoming_middleware/a.js", hook)]).await;
    post(&app, "ann", &token, &json!({ "type": "text", "text": "hello" })).await;
    post(&app, "ann", &token, &json!({ "type": "text", "text": "bye" })).await;
    let read = async |path: &str, token: &str| {
        let headers = [("authorization", token)];
        let path = format!("/api/v1/bots/open/mod/channel-web/conversations/ann{path}");
        app.client.send("GET", &path, &headers[..usize::from(!token.is_empty())], Vec::new()).await
    };
    let list = read("?channel=api", &token).await.json();
    assert_eq!(list["conversations"].as_array().unwrap().len(), 1, "{list}");
    let row = &list["conversations"][0];
    assert_eq!((&row["message_text"], &row["message_author"]), (&json!("You said bye"), &json!("Bot")));
    let one = read(&format!("/{}?channel=api", row["id"]), &token).await.json();
    let said: Vec<&str> =
        one["messages"].as_array().unwrap().iter().filter_map(|one| one["message_text"].as_str()).collect();
    assert_eq!(said, ["You said hello", "You said bye"]);
    let text = read(&format!("/{}/download/txt?channel=api", row["id"]), &token).await.json();
    assert_eq!(text["txt"].as_str().unwrap().matches("Bot: You said").count(), 2, "{text}");
    // Nobody else's: no token, the web chat, another channel.
    assert_eq!(read("?channel=api", "").await.status, 401);
    assert_eq!(read("", &token).await.json()["conversations"], json!([]));
    assert_eq!(read(&format!("/{}", row["id"]), &token).await.status, 404);
    assert_eq!(read(&format!("/{}?channel=telegram", row["id"]), &token).await.status, 404);
    app.stop().await;
}
