//! Ids of visitors and their secrets.

use axum::body::Body;
use axum::extract::State;
use axum::http::Response;
use serde::Serialize;

use super::channel_web::json;
use super::error::HttpError;
use super::extractors::{Authorized, Bot, Named};
use super::state::Web;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Issued<'i> {
    visitor_id: &'i str,
    secret: String,
}

/// `POST /visitors`: an id that nobody has, and its secret. Nothing is stored.
pub(crate) async fn new(State(web): State<Web>, _bot: Bot) -> Result<Response<Body>, HttpError> {
    let (id, secret) = web.services.visitors().issue();
    json(&web, &Issued { visitor_id: &id, secret }).await
}

/// `GET /visitors/:userId/secret`, with a token: a page's own server asks for the secret of somebody who has signed in there.
pub(crate) async fn secret(
    State(web): State<Web>,
    authorized: Authorized,
    Named(visitor): Named,
) -> Result<Response<Body>, HttpError> {
    let id = visitor.user.as_str();
    // A secret is good with every bot: somebody who may speak for one bot only, its scripts among them, could read with it what
    // the visitor says to the others.
    if authorized.claims.bot.is_some() {
        return Err(HttpError::Unauthorized(
            "a visitor's secret is good with every bot, and is told only for a token that is, too (`nudge token` without `--bot`)"
                .into(),
        ));
    }
    json(&web, &Issued { visitor_id: id, secret: web.services.visitors().secret_of(id) }).await
}
