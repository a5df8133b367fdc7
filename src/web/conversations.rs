//! A visitor's conversations, as the widget reads them.

use axum::body::Body;
use axum::extract::State;
use axum::http::{Response, Uri};
use serde::Serialize;
use uuid::Uuid;

use crate::store::{ConversationRow, Store};

use super::channel_web::json;
use super::edge::Visitor;
use super::error::HttpError;
use super::{Web, stored};

/// `GET /conversations/:userId`: newest first, each with its last message.
pub(crate) async fn list(State(web): State<Web>, visitor: Visitor) -> Result<Response<Body>, HttpError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct List<'a> {
        conversations: Vec<ConversationRow>,
        start_new_convo_on_timeout: bool,
        recent_conversation_lifetime: &'a str,
    }
    let limit = web.settings.http.max_conversations_listed;
    let read = move |store: &Store| store.list_conversations(&visitor.bot, &visitor.user, limit);
    let conversations = web.store.beside(read).await.map_err(stored)?;
    json(
        &web,
        &List {
            conversations,
            start_new_convo_on_timeout: web.settings.http.start_new_convo_on_timeout,
            recent_conversation_lifetime: &web.settings.http.recent_conversation_lifetime_text,
        },
    )
}

/// Most messages of a page that begins after a given one.
const PAGE: usize = 100;

/// `GET /conversations/:userId/:conversationId?after=`: one with its last messages, oldest first, or with those after that one.
/// `null` is the first one.
pub(crate) async fn one(State(web): State<Web>, visitor: Visitor, uri: Uri) -> Result<Response<Body>, HttpError> {
    let Visitor { bot, user, conversation, .. } = visitor;
    let asked = conversation.unwrap_or_default();
    let id = match asked.as_str() {
        "null" => None,
        number => Some(number.parse().map_err(|_| HttpError::no_conversation(&asked))?),
    };
    let (limit, size) = (web.settings.http.max_messages_history, web.settings.http.max_history_size);
    let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    // What is no id of a message is the id of none.
    let after = query.find(|(name, _)| name == "after").and_then(|(_, id)| Uuid::try_parse(&id).ok());
    let read = move |store: &Store| match (id, after) {
        (None, _) => store.first_conversation(&bot, &user),
        (Some(id), None) => store.conversation(&bot, &user, id, limit, size),
        (Some(id), Some(after)) => store.conversation_after((&bot, &user, id), after, PAGE, limit, size),
    };
    let found = web.store.beside(read).await.map_err(stored)?;
    json(&web, &found.ok_or_else(|| HttpError::no_conversation(&asked))?)
}

/// `POST /conversations/:userId/new`.
pub(crate) async fn new(State(web): State<Web>, visitor: Visitor) -> Result<Response<Body>, HttpError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct New {
        convo_id: i64,
    }
    let most = web.settings.http.max_conversations;
    let convo_id = web.store.new_conversation(&visitor.bot, &visitor.user, most).await.map_err(stored)?;
    json(&web, &New { convo_id })
}
