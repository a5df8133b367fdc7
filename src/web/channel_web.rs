//! The web channel's entrance: what the widget and pages send.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode, Uri};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::model::channel::WEB;
use crate::model::{EventDraft, apart};
use crate::store::{Attributes, ConversationTarget, UserMessage};

use super::error::{HttpError, JSON, TEXT, answer};
use super::extractors::{Bot, Visitor};
use super::message::{Visit, VisitorMessage};
use super::state::Web;
use super::{body, error, json_members};

/// `GET /botInfo`: what the widget shows of the bot.
pub(crate) async fn bot_info(State(web): State<Web>, bot: Bot) -> Result<Response<Body>, HttpError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Info<'a> {
        show_bot_info_page: bool,
        name: &'a str,
        description: &'a str,
        details: &'a serde_json::Value,
    }
    let info = bot.info().ok_or_else(|| HttpError::NotFound(format!("Bot \"{}\" not found", bot.id)))?;
    json(
        &web,
        &Info {
            show_bot_info_page: web.settings.http.show_bot_info_page,
            name: &info.name,
            description: &info.description,
            details: &info.details,
        },
    )
    .await
}

/// `POST /messages/:userId?conversationId=`: a visitor says something.
pub(crate) async fn message(
    State(web): State<Web>,
    visitor: Visitor,
    request: Request<Body>,
) -> Result<Response<Body>, HttpError> {
    let place = conversation_id(request.uri())?.map_or(ConversationTarget::Recent, ConversationTarget::Conversation);
    let body::Taken { json: body, held: _held } = body::read(&web, request, web.settings.http.body_limit).await?;
    let message = VisitorMessage::check(&body, web.settings.http.max_message_length)?;
    note_visit(&web, &visitor, message.visit).await?;
    let stored = UserMessage {
        message_type: message.kind.into(),
        message_text: message.stored.text,
        raw: message.stored.raw,
        data: message.stored.data,
        payload: message.stored.payload,
    };
    let draft = draft(visitor, message.kind, body);
    web.dispatcher.accept(draft, place, Some(stored)).await.map_err(error::refused)?;
    Ok(ok())
}

/// `POST /events/:userId`: a page has something to tell the bot. This is what proactive hooks react to.
pub(crate) async fn event(
    State(web): State<Web>,
    visitor: Visitor,
    request: Request<Body>,
) -> Result<Response<Body>, HttpError> {
    let body::Taken { json: body, held: _held } = body::read(&web, request, web.settings.http.body_limit).await?;
    let mut kind = None;
    json_members::each(&body, |name, _, value| {
        if name == "type" {
            kind = Some(value).filter(|value| value.get() != "null");
        }
    })?;
    let kind: Arc<str> = match kind {
        // Recorded: an event of no type is taken. `default` is what a payload without a type counts as elsewhere.
        None => "default".into(),
        Some(raw) => match json_members::exact_text(raw) {
            Some(text) if text == REFERENCE => {
                return Err(HttpError::plain(
                    "an event `session_reference` is made of a signed reference only: \
                     POST /conversations/:userId/:conversationId/reference/:reference",
                ));
            }
            Some(text) if !text.is_empty() && text.len() <= LONGEST_TYPE => (&*text).into(),
            _ => return Err(HttpError::plain("`type` is required and must be valid")),
        },
    };
    let draft = draft(visitor, kind, body);
    web.dispatcher.accept(draft, ConversationTarget::Recent, None).await.map_err(error::refused)?;
    Ok(ok())
}

/// `event.type` of what was signed: bots trust it.
pub(super) const REFERENCE: &str = "session_reference";

/// Longest `event.type`, in bytes: it is written to logs and kept by the queue.
pub(super) const LONGEST_TYPE: usize = 200;

/// An event of this visitor, before it is stored.
pub(super) fn draft(visitor: Visitor, kind: impl Into<Arc<str>>, payload: Box<RawValue>) -> EventDraft {
    EventDraft {
        key: visitor.key(),
        // The store fills in the conversation.
        thread: None,
        kind: kind.into(),
        payload,
        preview: None,
        nlu: None,
        credentials: visitor.credentials,
        suggestions: None,
        depth: 0,
    }
}

/// `?conversationId=`; what is no number counts as none, as recorded. A number that no conversation can have is one that
/// there is not: the message must not end up in another one.
pub(super) fn conversation_id(uri: &Uri) -> Result<Option<i64>, HttpError> {
    let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let Some((_, asked)) = query.find(|(name, _)| name == "conversationId") else { return Ok(None) };
    let digits = asked.trim().trim_start_matches(['-', '+', '.']);
    match asked.parse() {
        Ok(id) => Ok(Some(id)),
        Err(_) if digits.starts_with(|first: char| first.is_ascii_digit()) => Err(HttpError::no_conversation(&asked)),
        Err(_) => Ok(None),
    }
}

/// Keeps what a visit says of the visitor. It is written before the event, whose hooks see it; a language that is known
/// already stays.
async fn note_visit(web: &Web, visitor: &Visitor, visit: Visit) -> Result<(), HttpError> {
    if visit == Visit::default() {
        return Ok(());
    }
    let apart = web.settings.dispatch.isolation.within(Some(&visitor.bot));
    let channel = apart.map_or_else(|| WEB.to_owned(), |bot| apart::name_of(bot, WEB));
    let user = visitor.user.as_str().to_owned();
    let known = web.store.attributes(&channel, &user).map_err(error::stored)?;
    let known: Attributes = known.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let mut changed = Attributes::new();
    if let Some(hours) = visit.timezone {
        // Whole hours without a decimal point, as JavaScript writes them.
        let hours = if hours.fract() == 0.0 { raw(&(hours as i64))? } else { raw(&hours)? };
        changed.insert("timezone".into(), hours);
    }
    if let Some(language) = visit.language.filter(|_| !known.contains_key("language")) {
        changed.insert("language".into(), raw(&language)?);
    }
    changed.retain(|name, value| known.get(name).is_none_or(|before| before.get() != value.get()));
    if !changed.is_empty() {
        // Nobody waits for it: it is committed together with the event, or before.
        web.store.of(Some(&visitor.bot)).update_attributes(channel, user, changed, |result| {
            if let Err(error) = result
                && !error.is_trouble()
            {
                tracing::warn!("a visitor's time zone and language are not stored: {error}");
            }
        });
    }
    Ok(())
}

/// JSON of a value.
pub(super) fn raw(value: &impl Serialize) -> Result<Box<RawValue>, HttpError> {
    serde_json::value::to_raw_value(value).map_err(|error| HttpError::internal("Error", error))
}

/// An answer in JSON.
pub(super) async fn json(web: &Web, value: &impl Serialize) -> Result<Response<Body>, HttpError> {
    let text = serde_json::to_vec(value).map_err(|error| HttpError::internal("Error", error))?;
    Ok(answer(StatusCode::OK, JSON, web.bodies.answer(text).await?))
}

/// It is stored.
pub(super) fn ok() -> Response<Body> {
    answer(StatusCode::OK, TEXT, "OK")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_id_that_is_no_number_counts_as_none() {
        let of = |uri: &str| conversation_id(&uri.parse().unwrap()).map_err(|error| error.to_string());
        assert_eq!(of("/x?conversationId=12&a=1"), Ok(Some(12)));
        for none in ["/x", "/x?conversationId=", "/x?conversationId=abc", "/x?conversationId=null"] {
            assert_eq!(of(none), Ok(None), "{none}");
        }
        for odd in ["9223372036854775808", "-9223372036854775809", "1e3", "1.5", "%2B.5", "%201", "0x10"] {
            assert!(of(&format!("/x?conversationId={odd}")).unwrap_err().contains("BP_CONV_NOT_FOUND"), "{odd}");
        }
        assert_eq!(of("/x?conversationId=-1"), Ok(Some(-1)));
    }
}
