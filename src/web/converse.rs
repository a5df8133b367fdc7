//! The Converse API: one message in, the replies back in the same answer.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode};
use serde_json::value::RawValue;

use crate::dispatch::{ConverseError, Conversed};
use crate::model::channel::API;
use crate::model::{ConversationKey, EventDraft};

use super::channel_web::LONGEST_TYPE;
use super::error::{HttpError, JSON, answer};
use super::extractors::{Authorized, Named, Visitor};
use super::state::Web;
use super::{body, error, json_members};

/// What `/secured` can add to the replies, in the order in which it does.
const PARTS: [&str; 5] = ["nlu", "suggestions", "state", "decision", "credentials"];

/// `POST /api/v1/bots/:botId/converse/:userId`.
pub(crate) async fn public(
    State(web): State<Web>,
    Named(visitor): Named,
    request: Request<Body>,
) -> Result<Response<Body>, HttpError> {
    if included(request.uri().query()).any(|part| part != "responses") {
        return Err(HttpError::Plain(
            StatusCode::UNAUTHORIZED,
            "Unauthenticated converse API can only return 'responses'".into(),
        ));
    }
    converse(&web, visitor, request, ConverseMessage::check, &[]).await
}

/// `POST …/converse/:userId/secured?include=`: events of any type, and what became of them. What is asked for and is not
/// there is left out, and so is a part that is not known.
pub(crate) async fn secured(
    State(web): State<Web>,
    authorized: Authorized,
    Named(visitor): Named,
    request: Request<Body>,
) -> Result<Response<Body>, HttpError> {
    tracing::debug!(bot = %authorized.bot.id, "a call of /secured with a token of {:?}", authorized.claims.user);
    let asked: Vec<String> = included(request.uri().query()).collect();
    let parts: Vec<&'static str> = PARTS.into_iter().filter(|part| asked.iter().any(|asked| asked == part)).collect();
    converse(&web, visitor, request, ConverseMessage::check_any, &parts).await
}

/// One event in, its replies out, and these parts of it as it ended.
async fn converse(
    web: &Web,
    visitor: Visitor,
    request: Request<Body>,
    check: fn(Box<RawValue>, usize) -> Result<ConverseMessage, HttpError>,
    parts: &[&str],
) -> Result<Response<Body>, HttpError> {
    let http = &web.settings.http;
    let body::Taken { json, held: _held } =
        body::read(web, request, http.body_limit.min(http.converse_body_limit)).await?;
    let message = check(json, http.max_message_length)?;
    let draft = EventDraft {
        key: ConversationKey { bot: visitor.bot, channel: API.into(), target: visitor.user },
        thread: None,
        kind: message.kind,
        payload: message.payload,
        preview: None,
        nlu: message.nlu,
        credentials: visitor.credentials,
        suggestions: None,
        depth: 0,
    };
    let conversed = web.dispatcher.converse(draft, !parts.is_empty()).await.map_err(refused)?;
    let text = answer_text(&conversed, parts)?;
    Ok(answer(StatusCode::OK, JSON, web.bodies.answer(text.into_bytes()).await?))
}

/// `{"responses":[…]}` and the parts that are asked for.
fn answer_text(conversed: &Conversed, parts: &[&str]) -> Result<String, HttpError> {
    let mut text = String::from("{\"responses\":[");
    for (index, response) in conversed.responses.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(response.get());
    }
    text.push(']');
    // There is no event where its scripts were ended: then there is nothing to tell but the replies.
    if let Some(event) = conversed.event.as_deref().filter(|_| !parts.is_empty()) {
        let mut found = vec![None; parts.len()];
        json_members::each(event, |name, _, value| {
            if let Some(at) = parts.iter().position(|part| *part == name) {
                found[at] = Some(value);
            }
        })?;
        for (name, value) in parts.iter().zip(found) {
            if let Some(value) = value {
                for part in [",\"", name, "\":", value.get()] {
                    text.push_str(part);
                }
            }
        }
    }
    text.push('}');
    Ok(text)
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
        ConverseError::Accept(error) => error::refused(error),
        other => HttpError::internal("TimeoutError", other),
    }
}

/// A checked body.
#[derive(Debug)]
struct ConverseMessage {
    /// `event.type`.
    kind: Arc<str>,
    /// What becomes `event.payload`.
    payload: Box<RawValue>,
    /// What becomes `event.nlu`.
    nlu: Option<Box<RawValue>>,
}

/// A fault of one field of the body, in the words that clients of the reference know.
#[derive(Debug)]
enum FieldFault {
    Required,
    Empty,
    Must(&'static str),
    Item(usize),
}

impl fmt::Display for FieldFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => f.write_str("is required"),
            Self::Empty => f.write_str("is not allowed to be empty"),
            Self::Must(what) => write!(f, "must be {what}"),
            Self::Item(index) => write!(f, "at position {index} fails because [\"{index}\" must be a string]"),
        }
    }
}

fn child(name: &str, fault: FieldFault) -> HttpError {
    HttpError::plain(format!("child \"{name}\" fails because [\"{name}\" {fault}]"))
}

impl ConverseMessage {
    /// Checks `{ type?: "text", text, includedContexts?, metadata? }`; the first fault in that order is told.
    /// `longest` is in UTF-16 units, as JavaScript counts.
    fn check(body: Box<RawValue>, longest: usize) -> Result<Self, HttpError> {
        let mut fields: [Option<&RawValue>; FIELDS.len()] = [None; FIELDS.len()];
        let mut unknown = None;
        json_members::each(&body, |name, _, value| match FIELDS.iter().position(|known| *known == name) {
            Some(index) => fields[index] = Some(value),
            None => unknown = unknown.take().or_else(|| Some(name.into_owned())),
        })?;
        let [kind, said, listed, metadata] = fields;
        if kind.is_some_and(|kind| json_members::exact_text(kind).is_none_or(|kind| kind != "text")) {
            return Err(child("type", FieldFault::Must("one of [text]")));
        }
        let said = said.ok_or_else(|| child("text", FieldFault::Required))?;
        let text = json_members::text(said).ok_or_else(|| child("text", FieldFault::Must("a string")))?;
        if text.is_empty() {
            return Err(child("text", FieldFault::Empty));
        }
        if text.encode_utf16().count() > longest {
            return Err(HttpError::too_long(longest));
        }
        let nlu = listed.map(nlu).transpose()?;
        if metadata.is_some_and(|metadata| !metadata.get().starts_with('{')) {
            return Err(child("metadata", FieldFault::Must("an object")));
        }
        if let Some(unknown) = unknown {
            return Err(HttpError::plain(format!("\"{unknown}\" is not allowed")));
        }
        let typed = kind.is_some();
        Self::new(TEXT.into(), body, typed, nlu)
    }

    /// Checks what comes with a token: any type and any members. Only a text must be one.
    fn check_any(body: Box<RawValue>, longest: usize) -> Result<Self, HttpError> {
        let (mut kind, mut said, mut listed) = (None, None, None);
        json_members::each(&body, |name, _, value| match &*name {
            "type" => kind = Some(value),
            "text" => said = Some(value),
            "includedContexts" => listed = Some(value),
            _ => {}
        })?;
        let typed = kind.is_some();
        let kind: Arc<str> = match kind.map(json_members::exact_text) {
            None => TEXT.into(),
            Some(Some(kind)) if !kind.is_empty() && kind.len() <= LONGEST_TYPE => (&*kind).into(),
            Some(_) => {
                return Err(child("type", FieldFault::Must("a string of 1 to 200 bytes")));
            }
        };
        if *kind == *TEXT {
            let text = said.and_then(json_members::text);
            if text.is_none_or(|text| text.is_empty() || text.encode_utf16().count() > longest) {
                return Err(HttpError::too_long(longest));
            }
        }
        let nlu = listed.map(nlu).transpose()?;
        Self::new(kind, body, typed, nlu)
    }

    /// The payload is the body as it was written, but that it has a type and no contexts.
    fn new(kind: Arc<str>, body: Box<RawValue>, typed: bool, nlu: Option<Box<RawValue>>) -> Result<Self, HttpError> {
        let payload = if typed && nlu.is_none() { body } else { payload(&body, typed)? };
        Ok(Self { kind, payload, nlu })
    }
}

/// The type of a message without one.
const TEXT: &str = "text";

/// What a body may hold.
const FIELDS: [&str; 4] = ["type", "text", "includedContexts", "metadata"];

/// `event.nlu` of what is `includedContexts`.
fn nlu(listed: &RawValue) -> Result<Box<RawValue>, HttpError> {
    const NAME: &str = "includedContexts";
    if !listed.get().starts_with('[') {
        return Err(child(NAME, FieldFault::Must("an array")));
    }
    let (mut index, mut fine) = (0, true);
    json_members::items(listed, |context| {
        fine = context.get().starts_with('"');
        index += usize::from(fine);
        fine
    })?;
    if !fine {
        return Err(child(NAME, FieldFault::Item(index)));
    }
    RawValue::from_string(format!("{{\"{NAME}\":{listed}}}")).map_err(HttpError::parse_failed)
}

/// The body without `includedContexts` and, in any case, with a type; its members as they were written.
fn payload(body: &RawValue, typed: bool) -> Result<Box<RawValue>, HttpError> {
    let mut text = String::from("{");
    json_members::each(body, |name, written, value| {
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

/// For `fuzzing`: type, payload and `nlu` (or nothing) of a message, of callers without a token or with one, who may send any type.
#[cfg(any(test, fuzzing))]
pub(super) fn checked(body: Box<RawValue>, longest: usize, any_type: bool) -> Result<[String; 3], HttpError> {
    let check = if any_type { ConverseMessage::check_any } else { ConverseMessage::check };
    let text = |raw: &RawValue| raw.get().to_owned();
    let told = |message: ConverseMessage| {
        [message.kind.to_string(), text(&message.payload), message.nlu.as_deref().map(text).unwrap_or_default()]
    };
    check(body, longest).map(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &str) -> Result<ConverseMessage, String> {
        let raw = RawValue::from_string(body.to_owned()).unwrap();
        ConverseMessage::check(raw, 360).map_err(|error| error.to_string())
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
    fn with_a_token_any_type_is_taken_and_only_a_text_must_be_one() {
        let check = |body: &str| {
            let raw = RawValue::from_string(body.to_owned()).unwrap();
            let message = ConverseMessage::check_any(raw, 360).map_err(|error| error.to_string())?;
            Ok((message.kind.to_string(), message.payload.get().to_owned()))
        };
        let fine = |kind: &str, payload: &str| Ok::<_, String>((kind.to_owned(), payload.to_owned()));
        let custom = r#"{"type":"custom_x","any":{"thing":1},"text":7}"#;
        assert_eq!(check(custom), fine("custom_x", custom));
        assert_eq!(check(r#"{"text":"a","x":1}"#), fine("text", r#"{"text":"a","x":1,"type":"text"}"#));
        let long = format!(r#"{{"type":"text","text":"{}"}}"#, "a".repeat(361));
        for bad in ["{}", r#"{"type":"text"}"#, r#"{"text":""}"#, r#"{"type":"text","text":1}"#, &long] {
            assert_eq!(check(bad).unwrap_err(), "Text must be a valid string of less than 360 chars", "{bad}");
        }
        let long = format!(r#"{{"type":"{}"}}"#, "a".repeat(201));
        for bad in [r#"{"type":1}"#, r#"{"type":""}"#, r#"{"type":null,"text":"a"}"#, &long] {
            assert!(check(bad).unwrap_err().contains("\"type\" must be a string"), "{bad}");
        }
        assert!(check(r#"{"type":"x","includedContexts":"a"}"#).unwrap_err().contains("must be an array"));
        assert_eq!(check(r#"{"type":"x","includedContexts":["a"]}"#), fine("x", r#"{"type":"x"}"#));
    }

    #[test]
    fn what_is_asked_for_and_is_there_is_added_in_the_order_of_the_reference() {
        let event = r#"{"nlu":{"a":1},"decision":{"b":2},"state":{},"credentials":null,"more":1}"#;
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let conversed = Conversed { responses: vec![raw("1"), raw("2")], event: Some(raw(event)) };
        assert_eq!(answer_text(&conversed, &[]).unwrap(), r#"{"responses":[1,2]}"#);
        assert_eq!(
            answer_text(&conversed, &PARTS).unwrap(),
            r#"{"responses":[1,2],"nlu":{"a":1},"state":{},"decision":{"b":2},"credentials":null}"#
        );
        let without = Conversed { event: None, ..conversed };
        assert_eq!(answer_text(&without, &PARTS).unwrap(), r#"{"responses":[1,2]}"#);
    }

    #[test]
    fn include_is_a_list_without_regard_to_case() {
        let of = |query| included(Some(query)).collect::<Vec<_>>();
        assert_eq!(of("include=nlu,State&x=1"), ["nlu", "state"]);
        assert!(of("include=").is_empty());
        assert!(included(None).next().is_none());
    }
}
