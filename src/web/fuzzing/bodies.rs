//! Bodies of requests: JSON, forms, messages of visitors and of Converse, and forms that bring a file.

use std::collections::HashSet;

use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use super::runtime::block_on;
use crate::web::message::VisitorMessage;
use crate::web::{body, converse, multipart as form};

/// `httpServer.maxMessageLength` of these runs.
const LONGEST: usize = 50;

/// The first line is the content type, and behind a tab the content encoding.
pub fn http_body(line: &str, body: &[u8]) {
    let (content_type, encoding) = line.split_once('\t').unwrap_or((line, ""));
    let mut headers = HeaderMap::new();
    for (name, value) in [(CONTENT_TYPE, content_type), (CONTENT_ENCODING, encoding)] {
        if let Some(value) = HeaderValue::from_str(value).ok().filter(|value| !value.is_empty()) {
            headers.insert(name, value);
        }
    }
    let Ok(json) = block_on(body::taken(headers, body.to_vec())) else { return };
    let text = json.get();
    assert!(text.starts_with(['{', '[']) && is_json(text), "no JSON object: {text:?}");
    assert!(text.len() <= 8 * body.len() + 16, "{} bytes of {}", text.len(), body.len());
    let again = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let again = block_on(body::taken(again, text.as_bytes().to_vec()));
    assert_eq!(again.map(|again| again.get().to_owned()).ok().as_deref(), Some(text), "not the same read again");
    if let Ok(message) = VisitorMessage::check(&json, LONGEST) {
        stored(&json, &message);
    }
    for any_type in [false, true] {
        if let Ok([kind, payload, nlu]) = converse::checked(json.clone(), LONGEST, any_type) {
            assert!(!kind.is_empty() && is_json(&payload), "{kind}: {payload}");
            assert!(nlu.is_empty() || is_json(&nlu), "{nlu}");
            assert!(payload.len() <= text.len() + 20);
            if let Ok(Value::Object(members)) = serde_json::from_str(&payload) {
                assert!(members.contains_key("type") && !members.contains_key("includedContexts"), "{payload}");
            }
        }
    }
}

/// What is stored of a message is JSON, no longer than it was, and nothing of it that its sender called sensitive.
fn stored(body: &RawValue, message: &VisitorMessage) {
    let payload = message.stored.payload.get();
    assert!(is_json(payload) && payload.len() <= body.get().len(), "{payload}");
    let (Ok(before), Ok(after)) = (serde_json::from_str::<Value>(body.get()), serde_json::from_str::<Value>(payload))
    else {
        return;
    };
    let sensitive: HashSet<&str> = match &before["sensitive"] {
        Value::String(path) => HashSet::from([path.as_str()]),
        Value::Array(paths) => paths.iter().filter_map(Value::as_str).collect(),
        _ => return,
    };
    for path in sensitive {
        assert!(!holds(&before, &after, path), "{path:?} is stored: {payload}");
    }
}

/// Whether a member is still there by its name, or else by its way.
fn holds(before: &Value, after: &Value, path: &str) -> bool {
    if before.get(path).is_some() {
        return after.get(path).is_some();
    }
    path.split_once('.').is_some_and(|(first, rest)| match (before.get(first), after.get(first)) {
        (Some(before @ Value::Object(_)), Some(after)) => holds(before, after, rest),
        _ => false,
    })
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// The first line is the content type.
pub fn multipart(line: &str, body: &[u8]) {
    let Ok(content_type) = HeaderValue::from_str(line) else { return };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type)]);
    let found = form::file(&headers, body, "file");
    assert_eq!(shown(&found), shown(&form::file(&headers, body, "file")), "not the same a second time");
    if let Ok(part) = &found {
        assert!(part.at.start <= part.at.end && part.at.end <= body.len(), "{:?}", part.at);
        assert!(part.file_name.len() <= 3 * body.len() && part.content_type.len() <= 3 * body.len());
    }
    // What a browser writes of a file is read as it was.
    let mut parts = body.splitn(2, |byte| *byte == b'\n');
    let (name, content) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let name: String = String::from_utf8_lossy(name).chars().filter(|c| !c.is_control()).collect();
    const BOUNDARY: &str = "----x";
    if name.contains("%22") || name.contains("%0") || memchr::memmem::find(content, BOUNDARY.as_bytes()).is_some() {
        return;
    }
    let written = name.replace('"', "%22");
    let head = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{written}\"\r\nContent-Type: a/b\r\n\r\n"
    );
    let mut whole = head.clone().into_bytes();
    whole.extend_from_slice(content);
    whole.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    let content_type = HeaderValue::from_static("multipart/form-data; boundary=----x");
    let found = form::file(&HeaderMap::from_iter([(CONTENT_TYPE, content_type)]), &whole, "file");
    // A head may have 8 KB.
    if head.len() < 8 << 10 {
        let part = found.expect("a form that is well-formed");
        assert_eq!((part.file_name.as_str(), part.content_type.as_str(), &whole[part.at]), (&*name, "a/b", content));
    }
}

fn shown<T: std::fmt::Debug, E: std::fmt::Display>(found: &Result<T, E>) -> String {
    match found {
        Ok(found) => format!("{found:?}"),
        Err(error) => error.to_string(),
    }
}
