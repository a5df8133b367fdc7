//! The Converse API: one message in, the replies back in the same answer.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::dispatch::ConverseError;
use crate::model::{ConversationKey, EventDraft};

use super::Web;
use super::body;
use super::edge::Visitor;
use super::error::{HttpError, JSON, answer};

/// `POST /api/v1/bots/:botId/converse/:userId`.
pub(crate) async fn public(
    State(web): State<Web>,
    visitor: Visitor,
    request: Request<Body>,
) -> Result<Response<Body>, HttpError> {
    if included(request.uri().query()).any(|part| part != "responses") {
        return Err(HttpError::Plain(
            StatusCode::UNAUTHORIZED,
            "Unauthenticated converse API can only return 'responses'".into(),
        ));
    }
    let body = body::read(request, web.settings.http.body_limit).await?;
    let message = Message::check(&body, web.settings.http.max_message_length)?;
    let draft = EventDraft {
        key: ConversationKey { bot: visitor.bot, channel: Arc::from("api"), target: visitor.user },
        thread: None,
        kind: Arc::from("text"),
        payload: message.payload,
        preview: None,
        nlu: message.nlu,
        credentials: None,
        suggestions: None,
    };
    let conversed = web.dispatcher.converse(draft, false).await.map_err(refused)?;
    let mut text = String::from("{\"responses\":[");
    for (index, response) in conversed.responses.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(response.get());
    }
    text.push_str("]}");
    Ok(answer(StatusCode::OK, JSON, text))
}

/// The parts of `?include=`.
fn included(query: Option<&str>) -> impl Iterator<Item = String> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
        .filter(|(name, _)| name == "include")
        .flat_map(|(_, value)| value.split(',').map(|part| part.trim().to_lowercase()).collect::<Vec<_>>())
        .filter(|part| !part.is_empty())
}

fn refused(error: ConverseError) -> HttpError {
    match error {
        ConverseError::Accept(error) => super::refused(error),
        other => HttpError::internal("TimeoutError", other),
    }
}

/// A checked body.
#[derive(Debug)]
struct Message {
    /// What becomes `event.payload`.
    payload: Box<RawValue>,
    /// What becomes `event.nlu`.
    nlu: Option<Box<RawValue>>,
}

/// A fault of one field of the body, in the words that clients of the reference know.
#[derive(Debug)]
enum Fault {
    Required,
    Empty,
    Must(&'static str),
    Item(usize),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("is required"),
            Self::Empty => f.write_str("is not allowed to be empty"),
            Self::Must(what) => write!(f, "must be {what}"),
            Self::Item(index) => write!(f, "at position {index} fails because [\"{index}\" must be a string]"),
        }
    }
}

fn child(name: &str, fault: Fault) -> HttpError {
    HttpError::plain(format!("child \"{name}\" fails because [\"{name}\" {fault}]"))
}

impl Message {
    /// Checks `{ type?: "text", text, includedContexts?, metadata? }`; the first fault in that order is told.
    /// `longest` is in UTF-16 units, as JavaScript counts.
    fn check(body: &RawValue, longest: usize) -> Result<Self, HttpError> {
        let value: Value = serde_json::from_str(body.get()).map_err(HttpError::parse_failed)?;
        let Value::Object(mut fields) = value else { return Err(HttpError::plain("\"value\" must be an object")) };
        if fields.get("type").is_some_and(|kind| kind != "text") {
            return Err(child("type", Fault::Must("one of [text]")));
        }
        let text = match fields.get("text") {
            None => return Err(child("text", Fault::Required)),
            Some(Value::String(text)) if text.is_empty() => return Err(child("text", Fault::Empty)),
            Some(Value::String(text)) => Cow::Borrowed(text.as_str()),
            Some(_) => return Err(child("text", Fault::Must("a string"))),
        };
        if text.encode_utf16().count() > longest {
            return Err(HttpError::plain(too_long(longest)));
        }
        let contexts = fields.get("includedContexts").map(contexts).transpose()?;
        if fields.get("metadata").is_some_and(|metadata| !metadata.is_object()) {
            return Err(child("metadata", Fault::Must("an object")));
        }
        if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return Err(HttpError::plain(format!("\"{unknown}\" is not allowed")));
        }
        let as_written = contexts.is_none() && fields.contains_key("type");
        let payload = if as_written { body.to_owned() } else { payload(&mut fields)? };
        Ok(Self { payload, nlu: contexts.as_ref().map(nlu).transpose()? })
    }
}

/// What a body may hold.
const FIELDS: [&str; 4] = ["type", "text", "includedContexts", "metadata"];

/// What is said of a text that is missing or too long.
pub(super) fn too_long(longest: usize) -> String {
    format!("Text must be a valid string of less than {longest} chars")
}

fn contexts(value: &Value) -> Result<Value, HttpError> {
    const NAME: &str = "includedContexts";
    let Value::Array(list) = value else { return Err(child(NAME, Fault::Must("an array"))) };
    match list.iter().position(|context| !context.is_string()) {
        None => Ok(value.clone()),
        Some(index) => Err(child(NAME, Fault::Item(index))),
    }
}

fn payload(fields: &mut Map<String, Value>) -> Result<Box<RawValue>, HttpError> {
    // `shift_remove` keeps the order in which the caller wrote the rest.
    fields.shift_remove("includedContexts");
    if !fields.contains_key("type") {
        fields.insert("type".into(), "text".into());
    }
    serde_json::value::to_raw_value(fields).map_err(HttpError::parse_failed)
}

fn nlu(contexts: &Value) -> Result<Box<RawValue>, HttpError> {
    serde_json::value::to_raw_value(&serde_json::json!({ "includedContexts": contexts }))
        .map_err(HttpError::parse_failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str) -> Result<Message, String> {
        let raw = RawValue::from_string(body.to_owned()).unwrap();
        Message::check(&raw, 360).map_err(|error| error.to_string())
    }

    fn fault(body: &str) -> String {
        check(body).unwrap_err()
    }

    #[test]
    fn faults_are_told_in_the_words_of_the_reference() {
        let text = |what: &str| format!("child \"text\" fails because [\"text\" {what}]");
        assert_eq!(fault(r#"{"type":"text"}"#), text("is required"));
        assert_eq!(fault(r#"{"text":""}"#), text("is not allowed to be empty"));
        assert_eq!(fault(r#"{"text":null}"#), text("must be a string"));
        assert_eq!(fault(r#"{"text":42}"#), text("must be a string"));
        assert_eq!(fault("[1]"), "\"value\" must be an object");
        assert_eq!(fault(r#"{"text":"a","foo":1}"#), "\"foo\" is not allowed");
        assert_eq!(fault(r#"{"text":"a","__proto__":{}}"#), "\"__proto__\" is not allowed");
        assert_eq!(
            fault(r#"{"type":"x","text":"a"}"#),
            "child \"type\" fails because [\"type\" must be one of [text]]"
        );
        assert_eq!(
            fault(r#"{"text":"a","includedContexts":"a"}"#),
            "child \"includedContexts\" fails because [\"includedContexts\" must be an array]"
        );
        assert_eq!(
            fault(r#"{"text":"a","includedContexts":["a",1]}"#),
            "child \"includedContexts\" fails because [\"includedContexts\" at position 1 fails because [\"1\" must be a string]]"
        );
        assert_eq!(
            fault(r#"{"text":"a","metadata":[]}"#),
            "child \"metadata\" fails because [\"metadata\" must be an object]"
        );
    }

    #[test]
    fn length_is_counted_as_javascript_counts() {
        let body = |text: String| format!("{{\"type\":\"text\",\"text\":\"{text}\"}}");
        assert!(check(&body("a".repeat(360))).is_ok());
        assert!(check(&body("😀".repeat(180))).is_ok());
        assert_eq!(fault(&body("😀".repeat(181))), "Text must be a valid string of less than 360 chars");
        assert_eq!(fault(&body("a".repeat(361))), "Text must be a valid string of less than 360 chars");
    }

    #[test]
    fn a_body_with_a_type_is_the_payload_as_written_and_contexts_go_to_the_nlu() {
        let message = check(r#"{"type":"text", "text":"a"}"#).unwrap();
        assert_eq!(message.payload.get(), r#"{"type":"text", "text":"a"}"#);
        assert!(message.nlu.is_none());
        let message = check(r#"{"text":"a","includedContexts":["x"],"metadata":{"k":1}}"#).unwrap();
        assert_eq!(message.payload.get(), r#"{"text":"a","metadata":{"k":1},"type":"text"}"#);
        assert_eq!(message.nlu.unwrap().get(), r#"{"includedContexts":["x"]}"#);
    }

    #[test]
    fn include_is_a_list_without_regard_to_case() {
        let of = |query| included(Some(query)).collect::<Vec<_>>();
        assert_eq!(of("include=nlu,State&x=1"), ["nlu", "state"]);
        assert!(of("include=").is_empty());
        assert!(included(None).next().is_none());
    }
}
