//! The exchanges recorded from the original server, one by one against a real server of ours: same status, same content
//! type, same body in the same order, but for ids, dates and what `golden/expected_differences.txt` lists.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use app::{TestApp, fixture};
use client::Answer;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::Value;
use sha2::Sha256;

#[derive(Deserialize)]
struct Exchange {
    name: String,
    method: String,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    /// Absent where the original never answered.
    status: Option<u16>,
    #[serde(default, rename = "type")]
    content_type: String,
    #[serde(default)]
    response: String,
    #[serde(default)]
    location: String,
}

/// A line of `expected_differences.txt`: we answer with that status, and the answer contains that text.
struct Difference(u16, String);

/// Requests that were sent while recording but are not among the recorded ones; others depend on them.
const UNRECORDED: [(&str, &str, &str); 5] = [
    ("secured-include-nlu", "converse/g2", r#"{"type":"text","text":"hi"}"#),
    ("secured-include-decision", "converse/g2", r#"{"type":"text","text":"hi"}"#),
    ("secured-include-nlu_state_suggestions_decision_credentials", "converse/g2", r#"{"type":"text","text":"hi"}"#),
    (
        "web-message-conv-missing",
        "mod/channel-web/messages/wmwrh6nk3",
        r#"{"type":"text","text":"HASH64HASH64HASH64HASH64HASH64aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#,
    ),
    ("web-event-conversation-text", "mod/channel-web/events/wmwrh6nk3t", r#"{"type":"text","text":"hi"}"#),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_exchange_is_answered_as_recorded_or_listed_as_different() {
    let app = TestApp::start(&fixture("golden/workspace")).await;
    let token = app.token(&[]);
    let signature = signature(&app, "hello-ref");
    let mut differences = differences();
    let mut ids = Ids::default();
    let mut failures = String::new();
    for line in fs::read_to_string(fixture("golden/http.jsonl")).unwrap().lines() {
        let exchange: Exchange = serde_json::from_str(line).unwrap();
        for (_, path, body) in UNRECORDED.iter().filter(|(before, ..)| *before == exchange.name) {
            let answer = app.client.post(&format!("/api/v1/bots/my-bot/{path}"), expand(body)).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            app.processed().await;
        }
        let path = ids.in_path(&app, &exchange.path.replace("HASH64", &signature)).await;
        let headers: Vec<(&str, String)> =
            exchange.headers.iter().map(|(name, value)| (name.as_str(), value.replace("TOKEN", &token))).collect();
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = app.client.send(&exchange.method, &path, &headers, expand(&exchange.body).into_bytes()).await;
        if exchange.method == "POST" && answer.status == 200 {
            app.processed().await;
        }
        ids.learn(&exchange.response, &answer);
        assert!(!answer.headers.contains_key("x-powered-by"));
        let as_recorded = compare(&exchange, &answer, &app);
        let verdict = match (differences.remove(&exchange.name), as_recorded) {
            (None, result) => result,
            (Some(_), Ok(())) => Err("is answered as recorded: take it out of expected_differences.txt".into()),
            (Some(Difference(status, text)), Err(_)) => {
                let shown = format!("{} {}", answer.body, answer.header("location"));
                let same = answer.status == status && shown.contains(&text);
                if same {
                    Ok(())
                } else {
                    Err(format!("expected {status} with {text:?}, got {} {shown}", answer.status))
                }
            }
        };
        if let Err(why) = verdict {
            writeln!(failures, "{}: {why}\n", exchange.name).unwrap();
        }
    }
    for name in differences.keys() {
        writeln!(failures, "{name} stands in expected_differences.txt but was never recorded").unwrap();
    }
    app.stop().await;
    assert!(failures.is_empty(), "\n{failures}");
}

fn differences() -> BTreeMap<String, Difference> {
    let text = fs::read_to_string(fixture("golden/expected_differences.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split('|').map(str::trim).collect();
            let [name, status, text, why] = parts[..] else { panic!("{line:?} does not have four parts") };
            assert!(!why.is_empty() && !text.is_empty(), "{line:?} has no reason");
            (name.to_owned(), Difference(status.parse().unwrap(), text.to_owned()))
        })
        .collect()
}

/// What `bp.security.getMessageSignature` says.
fn signature(app: &TestApp, message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(app.store.app_secret().unwrap().as_bytes()).unwrap();
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the recording abbreviates.
fn expand(text: &str) -> String {
    if let Some((start, size)) = text.split_once("...<") {
        let size: usize = size.trim_end_matches(" bytes>").parse().unwrap();
        let start = start.replace("HASH64", "");
        return format!("{start}{}\"}}", "a".repeat(size - start.len() - 2));
    }
    text.replace("HASH64", &"a".repeat(64))
}

/// Numbers of conversations: those of the recording and ours.
#[derive(Default)]
struct Ids(BTreeMap<String, String>);

impl Ids {
    /// Where both answers name a new conversation, they mean the same.
    fn learn(&mut self, recorded: &str, answer: &Answer) {
        let id = |text: &str| serde_json::from_str::<Value>(text).ok()?.get("convoId").map(Value::to_string);
        if let (Some(recorded), Some(ours)) = (id(recorded), id(&answer.body)) {
            self.0.insert(recorded, ours);
        }
    }

    /// The path with our numbers. One that was not seen before is that user's latest conversation.
    async fn in_path(&mut self, app: &TestApp, path: &str) -> String {
        let (plain, query) = path.split_once('?').map_or((path, ""), |(plain, query)| (plain, query));
        let mut parts: Vec<String> = plain.split('/').map(str::to_owned).collect();
        for index in 1..parts.len() {
            let id = parts[index].clone();
            if parts[index - 1].is_empty() || !id.parse::<u32>().is_ok_and(|id| id < 1_000) {
                continue;
            }
            if !self.0.contains_key(&id) {
                let list = app.client.get(&parts[..index].join("/")).await.json();
                self.0.insert(id.clone(), list["conversations"][0]["id"].to_string());
            }
            parts[index].clone_from(&self.0[&id]);
        }
        let mut path = parts.join("/");
        if let Some(id) = query.strip_prefix("conversationId=") {
            let id = self.0.get(id).map_or(id, String::as_str);
            write!(path, "?conversationId={id}").unwrap();
        } else if !query.is_empty() {
            write!(path, "?{query}").unwrap();
        }
        path
    }
}

fn compare(exchange: &Exchange, answer: &Answer, app: &TestApp) -> Result<(), String> {
    let Some(status) = exchange.status else { return Err("the original never answers".into()) };
    let differs = |what: &str, recorded: &str, ours: &str| {
        Err(format!("{what} differs\n  recorded: {recorded}\n  ours:     {ours}"))
    };
    if answer.status != status {
        return differs(
            "status",
            &format!("{status} {}", exchange.response),
            &format!("{} {}", answer.status, answer.body),
        );
    }
    if answer.content_type() != exchange.content_type {
        return differs("content type", &exchange.content_type, answer.content_type());
    }
    let port = app.client.address.port();
    let place = |text: &str| {
        ["localhost", "127.0.0.1"]
            .iter()
            .fold(text.to_owned(), |text, host| text.replace(&format!("{host}:{port}"), "HOST:PORT"))
    };
    if place(answer.header("location")) != exchange.location {
        return differs("location", &exchange.location, answer.header("location"));
    }
    if exchange.response.starts_with("(an HTML page saying") {
        let said = format!("Cannot {} {}", exchange.method, exchange.path);
        return if answer.body.contains(&said) { Ok(()) } else { differs("page", &said, &answer.body) };
    }
    let (recorded, shown) = shorten(&exchange.response);
    let (recorded, ours) = (normal(&recorded, shown), normal(&place(&answer.body), shown));
    if recorded == ours { Ok(()) } else { differs("body", &recorded, &ours) }
}

/// A response of which the recording holds only the beginning: its whole messages, and how many.
fn shorten(recorded: &str) -> (String, Option<usize>) {
    let Some(cut) = recorded.strip_suffix('…') else { return (recorded.to_owned(), None) };
    let (whole, _) = cut.rsplit_once(",{\"id\":").unwrap();
    let whole = format!("{whole}]}}");
    let count = serde_json::from_str::<Value>(&whole).unwrap()["messages"].as_array().unwrap().len();
    (whole, Some(count))
}

/// The body with everything that varies replaced. Members keep their order. `shown` messages are looked at.
fn normal(body: &str, shown: Option<usize>) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(body) else { return body.to_owned() };
    if let (Some(count), Some(Value::Array(messages))) = (shown, value.get_mut("messages")) {
        messages.truncate(count);
    }
    blank("", &mut value);
    value.to_string()
}

fn blank(name: &str, value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|item| blank(name, item)),
        Value::Object(object) => object.iter_mut().for_each(|(name, value)| blank(name, value)),
        Value::Number(_) if ["id", "conversationId", "convoId"].contains(&name) => *value = "NUMBER".into(),
        Value::String(text) => {
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let blanked = match name {
                "docs" => Some("DOCS".to_owned()),
                "title" if text.strip_prefix("Conversation ").is_some_and(digits) => Some("TITLE".to_owned()),
                "eventId" if digits(text) => Some("EVENT".to_owned()),
                "id" if uuid::Uuid::parse_str(text).is_ok() => Some("UUID".to_owned()),
                // The original says this of a user without a name; ours says `User`.
                "full_name" if text == "undefined undefined" => Some("User".to_owned()),
                "txt" => Some(dates_and_title(text)),
                "name" if text.strip_suffix(".txt").is_some_and(|text| text.starts_with("Conversation ")) => {
                    Some("TITLE.txt".to_owned())
                }
                _ if text.len() == 24 && text.ends_with('Z') && text.as_bytes()[10] == b'T' => Some("DATE".to_owned()),
                _ => None,
            };
            match blanked {
                Some(blanked) => *value = blanked.into(),
                None => *text = text.replace("HASH64", &"a".repeat(64)),
            }
        }
        _ => {}
    }
}

/// A transcript without what varies; `HASH64` is as in messages.
fn dates_and_title(text: &str) -> String {
    let blank = |line: &str| {
        let shape: String = line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        match shape.find("00/00/00 00:00") {
            Some(at) => format!("{}DATE{}", &line[..at], &line[at + 14..]),
            None if line.starts_with("Title: Conversation ") => "TITLE".to_owned(),
            None => line.to_owned(),
        }
    };
    let text = text.replace("HASH64", &"a".repeat(64));
    text.split("\r\n").map(blank).collect::<Vec<_>>().join("\r\n")
}
