//! A visitor's conversations, as the widget reads them.

use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, State};
use axum::http::request::Parts;
use axum::http::{Response, StatusCode, Uri};
use serde::Serialize;
use serde_json::json as object;
use uuid::Uuid;

use crate::model::ConversationKey;
use crate::model::channel::WEB;
use crate::store::{ConversationRow, ConversationTarget, Store};

use super::channel_web::{REFERENCE, draft, json, ok, raw};
use super::error::{HttpError, refused, stored};
use super::extractors::{Authorized, Named, Visitor, param};
use super::state::Web;

/// Whose conversations are read: the visitor's, or with `?channel=` those of a user of another channel. Secrets are of the
/// visitors of the web chat: a token stands for all others.
pub(crate) struct Read {
    key: ConversationKey,
    /// `:conversationId`, where the path has one.
    conversation: Option<String>,
}

impl FromRequestParts<Web> for Read {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, HttpError> {
        let mut query = form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
        let asked = query.find(|(name, _)| name == "channel").map(|(_, channel)| channel.into_owned());
        let Some(channel) = asked.filter(|channel| channel != WEB) else {
            let visitor = Visitor::from_request_parts(parts, web).await?;
            return Ok(Self { key: visitor.key(), conversation: visitor.conversation });
        };
        Authorized::from_request_parts(parts, web).await?;
        let Named(user) = Named::from_request_parts(parts, web).await?;
        Ok(Self { key: ConversationKey { channel: channel.into(), ..user.key() }, conversation: user.conversation })
    }
}

/// `GET /conversations/:userId?channel=`: newest first, each with its last message.
pub(crate) async fn list(State(web): State<Web>, Read { key, .. }: Read) -> Result<Response<Body>, HttpError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        conversations: Vec<ConversationRow>,
        start_new_convo_on_timeout: bool,
        recent_conversation_lifetime: &'a str,
    }
    let limit = web.settings.http.max_conversations_listed;
    let read = move |store: &Store| store.list_conversations(&key, limit);
    let _place = web.bodies.making().await;
    let conversations = web.store.beside(read).await.map_err(stored)?;
    json(
        &web,
        &List {
            conversations,
            start_new_convo_on_timeout: web.settings.http.start_new_convo_on_timeout,
            recent_conversation_lifetime: &web.settings.http.recent_conversation_lifetime_text,
        },
    )
    .await
}

/// Most messages of a page that begins after a given one.
const PAGE: usize = 100;

/// `GET /conversations/:userId/:conversationId?after=&channel=`: one with its last messages, oldest first, or with those after that one.
/// `null` is the first one.
pub(crate) async fn one(State(web): State<Web>, asked: Read, uri: Uri) -> Result<Response<Body>, HttpError> {
    let id = id_of(asked.conversation.as_deref())?;
    let (key, asked) = (asked.key, asked.conversation.unwrap_or_default());
    let (limit, size) = (web.settings.http.max_messages_history, web.settings.http.max_history_size);
    let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    // What is no id of a message is the id of none.
    let after = query.find(|(name, _)| name == "after").and_then(|(_, id)| Uuid::try_parse(&id).ok());
    let read = move |store: &Store| match (id, after) {
        (None, _) => store.first_conversation(&key),
        (Some(id), None) => store.conversation(&key, id, limit, size),
        (Some(id), Some(after)) => store.conversation_after((&key, id), after, PAGE, limit, size),
    };
    let _place = web.bodies.making().await;
    let found = web.store.beside(read).await.map_err(stored)?;
    json(&web, &found.ok_or_else(|| HttpError::no_conversation(&asked))?).await
}

/// `POST /conversations/:userId/new`.
pub(crate) async fn new(State(web): State<Web>, visitor: Visitor) -> Result<Response<Body>, HttpError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct New {
        convo_id: i64,
    }
    let most = web.settings.http.max_conversations;
    let convo_id = web.store.new_conversation(&visitor.key(), most).await.map_err(stored)?;
    json(&web, &New { convo_id }).await
}

/// `POST /conversations/:userId/:conversationId/reset`: the conversation's session begins anew, once what was sent before is
/// processed.
pub(crate) async fn reset(State(web): State<Web>, visitor: Visitor) -> Result<Response<Body>, HttpError> {
    let id = named(visitor.conversation.as_deref())?;
    let payload = raw(&object!({ "type": "session_reset" }))?;
    web.dispatcher
        .accept(draft(visitor, "session_reset", payload), ConversationTarget::Anew(id), None)
        .await
        .map_err(refused)?;
    Ok(ok())
}

/// `POST /conversations/:userId/:conversationId/reference/:reference`: tells the bot by what link the visitor came. The reference
/// is `text=signature`, so that nobody makes up one.
pub(crate) async fn reference(
    State(web): State<Web>,
    visitor: Visitor,
    params: RawPathParams,
) -> Result<Response<Body>, HttpError> {
    let place =
        id_of(visitor.conversation.as_deref())?.map_or(ConversationTarget::Recent, ConversationTarget::Conversation);
    let wrong = |message| HttpError::Message(StatusCode::BAD_REQUEST, message);
    // The text may hold the sign, too.
    let parts = param(&params, "reference").rsplit_once('=');
    let (text, signature) = parts.filter(|(text, _)| !text.is_empty()).ok_or_else(|| wrong("Invalid reference"))?;
    if text.len() > LONGEST_REFERENCE {
        return Err(wrong("Invalid reference"));
    }
    if !web.services.is_signature(&visitor.bot, text, signature) {
        return Err(wrong("Bad reference signature"));
    }
    let conversation = match place {
        ConversationTarget::Conversation(id) => Some(id),
        _ => None,
    };
    let payload = raw(&object!({
        "type": REFERENCE, "text": text, "signature": signature, "conversationId": conversation,
    }))?;
    web.dispatcher.accept(draft(visitor, REFERENCE, payload), place, None).await.map_err(refused)?;
    Ok(ok())
}

/// Longest text of a reference, in bytes.
const LONGEST_REFERENCE: usize = 4 << 10;

/// `GET /conversations/:userId/:conversationId/download/txt?channel=`: `{ txt, name }`, the conversation as text.
pub(crate) async fn download(State(web): State<Web>, asked: Read) -> Result<Response<Body>, HttpError> {
    let id = named(asked.conversation.as_deref())?;
    let size = web.settings.http.max_transcript_size;
    let read = move |store: &Store| store.transcript(&asked.key, id, size);
    let _place = web.bodies.making().await;
    let found = web.store.beside(read).await.map_err(stored)?;
    let found = found.ok_or_else(|| HttpError::no_conversation(&id.to_string()))?;
    json(&web, &object!({ "txt": found.text, "name": format!("{}.txt", found.title) })).await
}

/// The number of the path's conversation; `None` for `null`.
fn id_of(conversation: Option<&str>) -> Result<Option<i64>, HttpError> {
    match conversation.unwrap_or_default() {
        "null" => Ok(None),
        number => number.parse().map(Some).map_err(|_| HttpError::no_conversation(number)),
    }
}

/// The same where it must be a number.
fn named(conversation: Option<&str>) -> Result<i64, HttpError> {
    id_of(conversation)?.ok_or_else(|| HttpError::no_conversation("null"))
}
