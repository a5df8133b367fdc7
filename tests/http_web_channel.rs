//! The web channel as visitors use it, over HTTP: conversations, visits, events, full queues.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;

use app::TestApp;
use serde_json::Value;

const CHANNEL: &str = "/api/v1/bots/echo/mod/channel-web";

const BOT: (&str, &str) = (
    "bots/echo/bot.config.json",
    r#"{ "id": "echo", "name": "Echo", "description": "Says it again", "details": { "website": "https://x.example" } }"#,
);

/// Says again what it hears, and who it hears it from.
const ECHO: (&str, &str) = (
    "hooks/after_incoming_middleware/99_echo.js",
    r"
    if (!event.hasFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE)) {
      event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
      const { user } = event.state
      const said = { type: event.type, preview: event.preview, thread: event.threadId, user, payload: event.payload }
      return bp.events.replyToEvent(event, [{ type: 'text', text: JSON.stringify(said) }])
    }",
);

async fn conversations(app: &TestApp, user: &str) -> Vec<Value> {
    let list = app.client.get(&format!("{CHANNEL}/conversations/{user}")).await.json();
    list["conversations"].as_array().unwrap().clone()
}

/// The messages of the user's latest conversation.
async fn messages(app: &TestApp, user: &str) -> Vec<Value> {
    let id = conversations(app, user).await[0]["id"].clone();
    let conversation = app.client.get(&format!("{CHANNEL}/conversations/{user}/{id}")).await.json();
    conversation["messages"].as_array().unwrap().clone()
}

/// What the echo said last.
async fn echo(app: &TestApp, user: &str) -> Value {
    app.processed().await;
    let last = messages(app, user).await.pop().unwrap();
    serde_json::from_str(last["message_text"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_a_page_is_the_payload_and_begins_a_conversation() {
    let app = TestApp::start_with(&[BOT, ECHO]).await;
    let body = r#"{"type":"proactive-trigger","channel":"web","payload":{"text":"fake message"},"__proto__":{"a":1}}"#;
    let answer = app.client.post(&format!("{CHANNEL}/events/visitor-1"), body).await;
    assert_eq!((answer.status, answer.content_type(), answer.body.as_str()), (200, "text/plain; charset=utf-8", "OK"));
    let said = echo(&app, "visitor-1").await;
    assert_eq!(said["type"], "proactive-trigger");
    assert_eq!(said["payload"].to_string(), body);
    let list = conversations(&app, "visitor-1").await;
    assert_eq!((list.len(), &said["thread"]), (1, &Value::String(list[0]["id"].to_string())));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn first_messages_sent_at_once_make_one_conversation() {
    let app = TestApp::start_with(&[BOT, ECHO]).await;
    let path = format!("{CHANNEL}/messages/visitor-1");
    let one = || app.client.post(&path, r#"{"type":"text","text":"hi"}"#);
    let answers = tokio::join!(one(), one(), one());
    assert_eq!((answers.0.status, answers.1.status, answers.2.status), (200, 200, 200));
    app.processed().await;
    assert_eq!(conversations(&app, "visitor-1").await.len(), 1);
    assert_eq!(messages(&app, "visitor-1").await.len(), 6);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_tells_time_zone_and_language_and_is_not_shown() {
    let app = TestApp::start_with(&[BOT, ECHO]).await;
    let path = format!("{CHANNEL}/messages/visitor-1");
    let visit = |rest: &str| format!("{{\"type\":\"visit\",\"text\":\"User visit\",{rest}}}");
    for body in [
        visit(r#""timezone":-4.5,"language":"fr""#),
        visit(r#""timezone":2,"language":"de""#),
        visit(r#""timezone":99"#),
    ] {
        let answer = app.client.post(&path, body).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
    app.client.post(&path, r#"{"type":"text","text":"who am I?"}"#).await;
    let said = echo(&app, "visitor-1").await;
    assert_eq!(said["user"], serde_json::json!({ "timezone": 2, "language": "fr" }));
    assert_eq!(messages(&app, "visitor-1").await.len(), 2, "visits are not shown");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_seen_by_its_user_alone() {
    let app = TestApp::start_with(&[BOT, ECHO]).await;
    let id = app.client.post(&format!("{CHANNEL}/conversations/a/new"), "").await.json()["convoId"].clone();
    assert_eq!(app.client.get(&format!("{CHANNEL}/conversations/a/{id}/")).await.status, 200);
    for path in [format!("b/{id}"), format!("a/{id}9"), "a/x".into(), "b/null".into(), "a/-1".into()] {
        let answer = app.client.get(&format!("{CHANNEL}/conversations/{path}")).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.body.contains("BP_CONV_NOT_FOUND"), "{path}: {}", answer.body);
    }
    let path = format!("{CHANNEL}/messages/b?conversationId={id}");
    let answer = app.client.post(&path, r#"{"type":"text","text":"hi"}"#).await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("BP_CONV_NOT_FOUND"), "{}", answer.body);
    let queue = app.client.get("/status").await.json()["queue"].take();
    assert_eq!(queue["accepted"], 0, "{queue}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_messages_of_a_long_conversation_are_shown() {
    let app = TestApp::start_with(&[BOT, ECHO]).await;
    let path = format!("{CHANNEL}/messages/visitor-1");
    for number in 0..15 {
        app.client.post(&path, format!("{{\"type\":\"text\",\"text\":\"{number}\"}}")).await;
    }
    app.processed().await;
    let shown = messages(&app, "visitor-1").await;
    assert_eq!(shown.len(), 20);
    assert_eq!(echo(&app, "visitor-1").await["preview"], "14");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_widget_shows_of_a_bot_comes_from_its_file() {
    let app = TestApp::start_with(&[BOT]).await;
    let info = app.client.get(&format!("{CHANNEL}/botInfo")).await;
    assert_eq!(
        info.body,
        r#"{"showBotInfoPage":false,"name":"Echo","description":"Says it again","details":{"website":"https://x.example"}}"#
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_is_503_with_a_time_to_come_back_and_what_was_taken_is_done() {
    let limits = ("botpress.config.json", r#"{ "queue": { "perConversation": 2 } }"#);
    let app = TestApp::start_with(&[BOT, SLOW, limits]).await;
    let mut sent = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let client = app.client;
        sent.spawn(async move { client.post(&format!("{CHANNEL}/events/u1"), r#"{"type":"x"}"#).await });
    }
    let answers = sent.join_all().await;
    let (taken, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert!(!taken.is_empty() && !refused.is_empty());
    for answer in refused {
        assert_eq!((answer.status, answer.json()["errorCode"].as_str()), (503, Some("BP_0053")), "{}", answer.body);
        assert!(answer.header("retry-after").parse::<u32>().unwrap() > 0);
    }
    app.processed().await;
    assert_eq!(app.client.get("/status").await.json()["queue"]["processed"], taken.len());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sensitive_reaches_the_hooks_and_is_never_shown_again() {
    let count = (
        "hooks/after_incoming_middleware/count.js",
        r"
        event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
        return bp.events.replyToEvent(event, [{ type: 'text', text: `${event.payload.pin.length} digits` }])",
    );
    let app = TestApp::start_with(&[BOT, count]).await;
    let body = r#"{"type":"text","text":"a secret","pin":"123456","sensitive":["pin"]}"#;
    let answer = app.client.post(&format!("{CHANNEL}/messages/u1"), body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    app.processed().await;
    let shown = messages(&app, "u1").await;
    assert_eq!(shown[0]["payload"].to_string(), r#"{"type":"text","text":"a secret"}"#);
    assert_eq!(shown[1]["message_text"], "6 digits");
    app.stop().await;
}

/// Keeps every event for a while.
const SLOW: (&str, &str) =
    ("hooks/before_incoming_middleware/slow.js", "return new Promise(resolve => setTimeout(resolve, 500))");

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_waits_too_long_is_told_so_and_the_event_goes_on() {
    let limits = ("botpress.config.json", r#"{ "converse": { "timeout": "100ms" } }"#);
    let app = TestApp::start_with(&[BOT, SLOW, ECHO, limits]).await;
    let answer = app.client.post("/api/v1/bots/echo/converse/u1", r#"{"type":"text","text":"hi"}"#).await;
    let json = answer.json();
    assert_eq!(
        (answer.status, &json["errorCode"], &json["message"]),
        (500, &"BP_000".into(), &"Unexpected error".into())
    );
    assert!(json.get("full").is_none() && json.get("stack").is_none(), "{json}");
    app.processed().await;
    assert_eq!(app.client.get("/status").await.json()["queue"]["processed"], 1);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_is_answered_when_the_server_stops() {
    let app = TestApp::start_with(&[BOT, SLOW, ECHO]).await;
    let client = app.client;
    let asked =
        tokio::spawn(
            async move { client.post("/api/v1/bots/echo/converse/u1", r#"{"type":"text","text":"hi"}"#).await },
        );
    while app.client.get("/status").await.json()["queue"]["accepted"] == 0 {
        assert!(!asked.is_finished());
    }
    app.stop().await;
    let answer = asked.await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["responses"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_development_errors_are_explained_and_events_are_traced() {
    let who = (
        "hooks/before_incoming_middleware/who.js",
        r"
        event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
        return bp.events.replyToEvent(event, [{ type: 'text', text: event.id }])",
    );
    let app = TestApp::start_in_development(&[BOT, who]).await;
    let answer = app.client.post("/api/v1/bots/echo/converse/u1", "{").await;
    assert_eq!(answer.status, 400);
    assert!(answer.json()["full"].as_str().unwrap().contains("line 1"), "{}", answer.body);
    let answer = app.client.post("/api/v1/bots/echo/converse/u1", r#"{"text":"hi"}"#).await.json();
    let id = answer["responses"][0]["text"].as_str().unwrap();
    let trace = app.client.get(&format!("/api/v1/traces/{id}")).await;
    assert_eq!((trace.status, trace.content_type()), (200, "application/json; charset=utf-8"), "{}", trace.body);
    assert_eq!(trace.json()["eventId"], id);
    assert!(trace.body.contains("hooks/before_incoming_middleware/who.js"), "{}", trace.body);
    assert_eq!(app.client.get("/api/v1/traces/1").await.status, 404);
    assert_eq!(app.client.get("/api/v1/traces/x").await.status, 400);
    app.stop().await;
}

/// Counts messages in the session, and says what it finds.
const COUNT: (&str, &str) = (
    "hooks/after_incoming_middleware/99_count.js",
    r"
    const { session, user } = event.state
    const skipped = event.hasFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE)
    if (event.type === 'text') {
      session.count = (session.count || 0) + 1
      user.count = (user.count || 0) + 1
      event.setFlag(bp.IO.WellKnownFlags.FORCE_PERSIST_STATE, true)
    }
    event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
    return bp.events.replyToEvent(event, [{ type: 'text', text: JSON.stringify([event.type, session.count, user.count, skipped]) }])",
);

async fn said_by_bot(app: &TestApp, user: &str) -> Vec<String> {
    app.processed().await;
    let all = messages(app, user).await;
    let of_bot = all.iter().filter(|message| message["userId"].is_null());
    of_bot.map(|message| message["message_text"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_takes_its_turn_behind_what_was_sent_before_and_the_session_begins_anew() {
    let app = TestApp::start_with(&[BOT, COUNT]).await;
    let id = app.client.post(&format!("{CHANNEL}/conversations/ann/new"), "").await.json()["convoId"].clone();
    let (say, reset) =
        (format!("{CHANNEL}/messages/ann?conversationId={id}"), format!("{CHANNEL}/conversations/ann/{id}/reset"));
    for (path, body) in [(&say, TEXT), (&say, TEXT), (&reset, ""), (&say, TEXT)] {
        let answer = app.client.post(path, body).await;
        assert_eq!((answer.status, answer.content_type(), &*answer.body), (200, "text/plain; charset=utf-8", "OK"));
    }
    let expected = [
        r#"["text",1,1,false]"#,
        r#"["text",2,2,false]"#,
        // Hooks see the session as it will be, and the built-in one has taken the event out of the talk.
        r#"["session_reset",null,2,true]"#,
        r#"["text",1,3,false]"#,
    ];
    assert_eq!(said_by_bot(&app, "ann").await, expected);
    // One that a page made up is an event like any other.
    app.client.post(&format!("{CHANNEL}/events/ann"), r#"{"type":"session_reset"}"#).await;
    assert_eq!(said_by_bot(&app, "ann").await[4], r#"["session_reset",1,3,true]"#);
    app.client.post(&say, TEXT).await;
    assert_eq!(said_by_bot(&app, "ann").await[5], r#"["text",2,4,false]"#);
    for other in ["bob/1", "ann/99999", "ann/null", "ann/x", "ann/-1"] {
        let answer = app.client.post(&format!("{CHANNEL}/conversations/{other}/reset"), "").await;
        assert_eq!(answer.status, 404, "{other}");
        assert!(answer.body.contains("BP_CONV_NOT_FOUND"), "{other}: {}", answer.body);
    }
    app.stop().await;
}

const TEXT: &str = r#"{"type":"text","text":"hi"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_reference_reaches_the_bot_and_nobody_makes_up_one() {
    let sign = (
        "hooks/before_incoming_middleware/sign.js",
        "if (event.type === 'sign') return bp.security.getMessageSignature(event.payload.text).then(signature => \
         bp.events.replyToEvent(event, [{ type: 'text', text: signature }]))",
    );
    let tell = (
        "hooks/after_incoming_middleware/tell.js",
        "if (event.type === 'session_reference') return bp.events.replyToEvent(event, \
         [{ type: 'text', text: JSON.stringify({ ...event.payload, thread: event.threadId, preview: event.preview }) }])",
    );
    let app = TestApp::start_with(&[BOT, sign, tell]).await;
    let text = "shoes=red & 2/3 猫";
    app.client.post(&format!("{CHANNEL}/events/ann"), format!(r#"{{"type":"sign","text":"{text}"}}"#)).await;
    let signature = said_by_bot(&app, "ann").await.remove(0);
    let id = conversations(&app, "ann").await[0]["id"].clone();
    let encoded = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    for conversation in [id.to_string(), "null".into()] {
        let path = format!("{CHANNEL}/conversations/ann/{conversation}/reference/{encoded}={signature}");
        let answer = app.client.post(&path, "").await;
        assert_eq!((answer.status, &*answer.body), (200, "OK"), "{path}");
    }
    let said = said_by_bot(&app, "ann").await;
    for (index, conversation) in [(1, &id), (2, &Value::Null)] {
        let payload: Value = serde_json::from_str(&said[index]).unwrap();
        let expected = serde_json::json!({
            "type": "session_reference", "text": text, "signature": signature, "conversationId": conversation,
            "thread": id.to_string(), "preview": text,
        });
        assert_eq!(payload, expected);
    }
    let other = signature.chars().rev().collect::<String>();
    for (reference, message) in [
        (format!("{encoded}={other}"), "Bad reference signature"),
        (format!("shoes={signature}"), "Bad reference signature"),
        (format!("{encoded}="), "Bad reference signature"),
        (format!("={signature}"), "Invalid reference"),
        ("shoes".into(), "Invalid reference"),
        ("%20".into(), "Invalid reference"),
    ] {
        let answer = app.client.post(&format!("{CHANNEL}/conversations/ann/{id}/reference/{reference}"), "").await;
        assert_eq!((answer.status, answer.json()), (400, serde_json::json!({ "message": message })), "{reference}");
    }
    let path = format!("{CHANNEL}/conversations/bob/{id}/reference/{encoded}={signature}");
    assert_eq!(app.client.post(&path, "").await.status, 404);
    // Nor by an event of that type, which no signature was checked for.
    for forged in [r#"{"type":"session_reference","text":"vip"}"#, r#"{"type":"x","type":"session\u005freference"}"#] {
        let answer = app.client.post(&format!("{CHANNEL}/events/ann"), forged).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.body.contains("/reference/:reference"), "{}", answer.body);
    }
    assert_eq!(said_by_bot(&app, "ann").await.len(), 3);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_is_for_the_visitor_alone_and_no_longer_than_is_allowed() {
    let app = TestApp::start_with(&[BOT, ("config/channel-web.json", r#"{ "maxTranscriptSize": "70 b" }"#)]).await;
    let id = app.client.post(&format!("{CHANNEL}/conversations/ann/new"), "").await.json()["convoId"].clone();
    for text in ["first", "second", "third"] {
        let path = format!("{CHANNEL}/messages/ann?conversationId={id}");
        app.client.post(&path, format!(r#"{{"type":"text","text":"{text}"}}"#)).await;
    }
    let answer = app.client.get(&format!("{CHANNEL}/conversations/ann/{id}/download/txt")).await;
    let (json, title) = (answer.json(), conversations(&app, "ann").await[0]["title"].clone());
    assert_eq!(json["name"], format!("{}.txt", title.as_str().unwrap()));
    let lines: Vec<&str> = json["txt"].as_str().unwrap().split("\r\n").collect();
    assert_eq!((lines[2], lines[4]), ("User:  ", "(earlier messages are left out)"));
    assert!(lines[5].ends_with("] User: second") && lines[6].ends_with("] User: third"), "{lines:?}");
    for other in [format!("bob/{id}"), "ann/99999".into(), "ann/null".into(), "ann/x".into()] {
        let answer = app.client.get(&format!("{CHANNEL}/conversations/{other}/download/txt")).await;
        assert_eq!(answer.status, 404, "{other}");
        assert!(answer.body.contains("BP_CONV_NOT_FOUND"), "{}", answer.body);
    }
    app.stop().await;
}
