//! What editors and other servers ask of a bot: its configuration and its actions. For callers with a token.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::{HttpError, JSON, answer};
use super::extractors::Authorized;
use crate::config::redact::redact;
use crate::reading::ActionDoc;

/// What is said of a bot that does not say it itself.
const DEFAULTS: [(&str, Value); 3] =
    [("locked", Value::Bool(false)), ("disabled", Value::Bool(false)), ("private", Value::Bool(false))];

/// `GET /api/v1/bots/:botId`: the bot's configuration, less what is secret by its name.
pub(crate) async fn configuration(Authorized { bot, .. }: Authorized) -> Response<Body> {
    let mut out = Map::new();
    for (key, value) in DEFAULTS {
        out.insert(key.to_owned(), value);
    }
    out.insert("details".to_owned(), Map::new().into());
    if let Some(info) = bot.info() {
        out.extend(redact(&info.config));
    }
    answer(StatusCode::OK, JSON, Value::Object(out).to_string())
}

/// An action as editors see it.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    scope: &'static str,
    metadata: &'a ActionDoc,
}

/// `GET /api/v1/bots/:botId/actions`: what the bot's flows may run, with what each action says of itself.
pub(crate) async fn actions(Authorized { bot, .. }: Authorized) -> Result<Response<Body>, HttpError> {
    let nothing = ActionDoc::default();
    let listed: Vec<Listed<'_>> = bot
        .workspace()
        .actions(&bot.id)
        .map(|action| Listed {
            name: action.name,
            scope: if action.own { "bot" } else { "global" },
            metadata: action.doc.unwrap_or(&nothing),
        })
        .collect();
    let text = serde_json::to_vec(&listed).map_err(|error| HttpError::internal("Error", error))?;
    Ok(answer(StatusCode::OK, JSON, text))
}
