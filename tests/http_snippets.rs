//! The three documented snippets, character for character, dropped into a running server.

#[path = "common/app.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod app;
#[path = "common/client.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod client;

use std::fs;
use std::time::{Duration, Instant};

use app::{TestApp, fixture};
use serde_json::{Value, json};

/// How long a change of a file may take to be in service. Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// The documented request.
const EVENT: &str = r#"{"type":"proactive-trigger","channel":"web","payload":{"text":"fake message"}}"#;

/// A bot without hooks of its own: it greets, waits, and answers.
const GREETER: [(&str, &str); 2] = [
    ("bot.config.json", r#"{ "name": "Greeter" }"#),
    (
        "flows/main.flow.json",
        r##"{ "startNode": "entry", "nodes": [
          { "name": "entry", "onEnter": ["say #builtin_text {\"text\": \"Hello! I speak first.\"}"], "onReceive": [],
            "next": [{ "condition": "true", "node": "answer" }] },
          { "name": "answer", "onEnter": ["say #builtin_text {\"text\": \"So you say.\"}"], "next": [] }
        ] }"##,
    ),
];

/// The texts of the documentation, written down once more: the files must be these and nothing else.
const DOCUMENTED: [&str; 3] = [
    "// Catch the event sent from the webpage\nif (event.type === 'proactive-trigger') {\n  // You custom code\n}\n",
    "if (event.type === 'proactive-trigger') {\n  // We only want to trigger a proactive message when the session is new,\n  \
     // otherwise the conversation will progress everytime the page is refreshed.\n  \
     if (event.state.session.lastMessages.length) {\n    \
     // This will tell the dialog engine to skip the processing of this event.\n    \
     event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)\n  }\n}\n",
    "if (event.type === 'proactive-trigger') {\n  const eventDestination = {\n    channel: event.channel,\n    \
     target: event.target,\n    botId: event.botId,\n    threadId: event.threadId\n  }\n\n  \
     event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)\n\n  \
     bp.cms.renderElement('builtin_text', { text: \"I'm so proactive!\", typing: true }, eventDestination).then(payloads => {\n    \
     bp.events.replyToEvent(event, payloads)\n  })\n}\n",
];

/// The text of a snippet's file, checked.
fn snippet(number: usize) -> String {
    let text = fs::read_to_string(fixture(&format!("snippets/{number}.js"))).unwrap();
    assert_eq!(text, DOCUMENTED[number - 1], "tests/snippets/{number}.js");
    text
}

async fn status(app: &TestApp) -> Value {
    app.client.get("/status").await.json()
}

/// Puts a text in the place of the documented hook and waits until that is in service.
async fn drop_in(app: &TestApp, text: &str) {
    let before = status(app).await["queue"]["program"].as_u64().unwrap();
    let folder = app.folder.path().join("hooks/before_incoming_middleware");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("proactive.js"), text).unwrap();
    let started = Instant::now();
    while status(app).await["queue"]["program"].as_u64().unwrap() == before {
        assert!(started.elapsed() < PATIENCE, "the hook is not in service");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let problems = status(app).await["problems"].take();
    assert_eq!(problems, json!([]), "{text}");
}

/// What was said to a visitor so far, as soon as it is `count` messages.
async fn said(app: &TestApp, visitor: &str, count: usize) -> Vec<Value> {
    let path = format!("/api/v1/bots/greeter/mod/channel-web/conversations/{visitor}");
    let started = Instant::now();
    loop {
        let id = app.client.get(&path).await.json()["conversations"][0]["id"].clone();
        let conversation = app.client.get(&format!("{path}/{id}")).await.json();
        let messages = conversation["messages"].as_array().cloned().unwrap_or_default();
        if messages.len() >= count {
            return messages;
        }
        assert!(started.elapsed() < PATIENCE, "{conversation}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_snippets_act_on_real_events_as_soon_as_they_are_dropped_in() {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in GREETER {
        let path = folder.path().join("bots/greeter").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let app = TestApp::serve(folder, |options| options.watch = true).await;
    let send = async |visitor: &str| {
        let path = format!("/api/v1/bots/greeter/mod/channel-web/events/{visitor}");
        let answer = app.client.post(&path, EVENT).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "OK"));
        app.processed().await;
    };
    let texts = async |visitor: &str, count: usize| -> Vec<String> {
        let text = |message: &Value| message["message_text"].as_str().unwrap_or_default().to_owned();
        said(&app, visitor, count).await.iter().map(text).collect()
    };
    // Nobody handles the event: it is taken for what the visitor says. The main flow's first node speaks, and each
    // further page is an answer to it. The first snippet changes nothing.
    for number in [0, 1] {
        let visitor = format!("visitor-{number}");
        if number > 0 {
            drop_in(&app, &snippet(number)).await;
        }
        send(&visitor).await;
        assert_eq!(texts(&visitor, 1).await, ["Hello! I speak first."]);
        send(&visitor).await;
        assert_eq!(texts(&visitor, 2).await, ["Hello! I speak first.", "So you say."]);
    }
    // With the second one, the bot speaks in a new session only.
    drop_in(&app, &snippet(2)).await;
    for _page in 0..3 {
        send("visitor-2").await;
    }
    assert_eq!(texts("visitor-2", 1).await, ["Hello! I speak first."]);
    // The third one speaks itself.
    drop_in(&app, &snippet(3)).await;
    send("visitor-3").await;
    let messages = said(&app, "visitor-3", 1).await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["message_text"], "I'm so proactive!");
    assert_eq!(messages[0]["payload"], json!({ "type": "text", "markdown": true, "text": "I'm so proactive!" }));
    assert_eq!(messages[0]["userId"], Value::Null);
    // Taken out, it acts no more.
    drop_in(&app, "").await;
    send("visitor-4").await;
    assert_eq!(texts("visitor-4", 1).await, ["Hello! I speak first."]);
    app.stop().await;
}
