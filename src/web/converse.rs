//! The Converse API: one message in, the replies back in the same answer.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use serde_json::value::RawValue;

use crate::dispatch::ConverseError;
use crate::model::{ConversationKey, EventDraft};

use super::edge::Visitor;
use super::error::{HttpError, JSON, answer};
use super::{Web, body, members};

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
    let http = &web.settings.http;
    let body::Taken { json, held: _held } =
        body::read(&web, request, http.body_limit.min(http.converse_body_limit)).await?;
    let message = Message::check(json, http.max_message_length)?;
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
    Ok(answer(StatusCode::OK, JSON, web.bodies.answer(text.into_bytes())?))
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
    fn check(body: Box<RawValue>, longest: usize) -> Result<Self, HttpError> {
        let mut fields: [Option<&RawValue>; FIELDS.len()] = [None; FIELDS.len()];
        let mut unknown = None;
        members::each(&body, |name, _, value| match FIELDS.iter().position(|known| *known == name) {
            Some(index) => fields[index] = Some(value),
            None => unknown = unknown.take().or_else(|| Some(name.into_owned())),
        })?;
        let [kind, said, listed, metadata] = fields;
        if kind.is_some_and(|kind| members::exact_text(kind).is_none_or(|kind| kind != "text")) {
            return Err(child("type", Fault::Must("one of [text]")));
        }
        let said = said.ok_or_else(|| child("text", Fault::Required))?;
        let text = members::text(said).ok_or_else(|| child("text", Fault::Must("a string")))?;
        if text.is_empty() {
            return Err(child("text", Fault::Empty));
        }
        if text.encode_utf16().count() > longest {
            return Err(HttpError::plain(too_long(longest)));
        }
        let nlu = listed.map(nlu).transpose()?;
        if metadata.is_some_and(|metadata| !metadata.get().starts_with('{')) {
            return Err(child("metadata", Fault::Must("an object")));
        }
        if let Some(unknown) = unknown {
            return Err(HttpError::plain(format!("\"{unknown}\" is not allowed")));
        }
        let payload = if nlu.is_none() && kind.is_some() { None } else { Some(payload(&body, kind.is_some())?) };
        Ok(Self { payload: payload.unwrap_or(body), nlu })
    }
}

/// What a body may hold.
const FIELDS: [&str; 4] = ["type", "text", "includedContexts", "metadata"];

/// What is said of a text that is missing or too long.
pub(super) fn too_long(longest: usize) -> String {
    format!("Text must be a valid string of less than {longest} chars")
}

/// `event.nlu` of what is `includedContexts`.
fn nlu(listed: &RawValue) -> Result<Box<RawValue>, HttpError> {
    const NAME: &str = "includedContexts";
    if !listed.get().starts_with('[') {
        return Err(child(NAME, Fault::Must("an array")));
    }
    let (mut index, mut fine) = (0, true);
    members::items(listed, |context| {
        fine = context.get().starts_with('"');
        index += usize::from(fine);
        fine
    })?;
    if !fine {
        return Err(child(NAME, Fault::Item(index)));
    }
    RawValue::from_string(format!("{{\"{NAME}\":{listed}}}")).map_err(HttpError::parse_failed)
}

/// The body without `includedContexts` and, in any case, with a type; its members as they were written.
fn payload(body: &RawValue, typed: bool) -> Result<Box<RawValue>, HttpError> {
    let mut text = String::from("{");
    members::each(body, |name, written, value| {
        if name != "includedContexts" {
            for part in [written.get(), ":", value.get(), ","] {
                text.push_str(part);
            }
        }
    })?;
    if typed {
        text.pop();
    } else {
        text.push_str("\"type\":\"text\"");
    }
    text.push('}');
    RawValue::from_string(text).map_err(HttpError::parse_failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str) -> Result<Message, String> {
        let raw = RawValue::from_string(body.to_owned()).unwrap();
        Message::check(raw, 360).map_err(|error| error.to_string())
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
