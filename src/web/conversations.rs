//! A visitor's conversations, as the widget reads them.

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde::Serialize;

use crate::store::ConversationRow;

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
    let conversations = web.store.list_conversations(&visitor.bot, &visitor.user).map_err(stored)?;
    json(&List {
        conversations,
        start_new_convo_on_timeout: web.settings.http.start_new_convo_on_timeout,
        recent_conversation_lifetime: &web.settings.http.recent_conversation_lifetime_text,
    })
}

/// `GET /conversations/:userId/:conversationId`: one with its last messages, oldest first. `null` is the first one.
pub(crate) async fn one(State(web): State<Web>, visitor: Visitor) -> Result<Response<Body>, HttpError> {
    let asked = visitor.conversation.as_deref().unwrap_or_default();
    let found = if asked == "null" {
        web.store.first_conversation(&visitor.bot, &visitor.user)
    } else {
        let id = asked.parse().map_err(|_| HttpError::no_conversation(asked))?;
        web.store.conversation(&visitor.bot, &visitor.user, id, web.settings.http.max_messages_history)
    };
    let conversation = found.map_err(stored)?.ok_or_else(|| HttpError::no_conversation(asked))?;
    json(&conversation)
}

/// `POST /conversations/:userId/new`.
pub(crate) async fn new(State(web): State<Web>, visitor: Visitor) -> Result<Response<Body>, HttpError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct New {
        convo_id: i64,
    }
    let convo_id = web.store.new_conversation(&visitor.bot, &visitor.user).await.map_err(stored)?;
    json(&New { convo_id })
}
