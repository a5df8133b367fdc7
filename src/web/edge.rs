//! Who is asked for and by whom: the bot and the user of a path, checked before anything else of a request is looked at.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use crate::model::{BotId, UserId};
use crate::reload::{BotInfo, Workspace};

use super::Web;
use super::error::HttpError;

/// The bot of a path: it exists, is not disabled, and the caller may use it.
pub(crate) struct Bot {
    /// Its id.
    pub(crate) id: BotId,
    workspace: Arc<Workspace>,
}

impl Bot {
    /// What is known of it.
    pub(crate) fn info(&self) -> Option<&BotInfo> {
        self.workspace.bots.get(self.id.as_str())
    }
}

/// A bot and one of its users.
pub(crate) struct Visitor {
    /// The bot.
    pub(crate) bot: BotId,
    /// The user.
    pub(crate) user: UserId,
    /// `:conversationId`, where the path has one.
    pub(crate) conversation: Option<String>,
}

impl FromRequestParts<Web> for Bot {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, HttpError> {
        let params = path(parts, web).await?;
        bot(&params, parts, web)
    }
}

impl FromRequestParts<Web> for Visitor {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, HttpError> {
        let params = path(parts, web).await?;
        let bot = bot(&params, parts, web)?.id;
        let user = UserId::parse(param(&params, "user")).map_err(|_| user_id_error())?;
        let conversation = params.iter().find(|(name, _)| *name == "conversation").map(|(_, text)| text.to_owned());
        Ok(Self { bot, user, conversation })
    }
}

fn user_id_error() -> HttpError {
    HttpError::plain("`userId` is required and must be valid")
}

async fn path(parts: &mut Parts, web: &Web) -> Result<RawPathParams, HttpError> {
    // Refused only where a part is no UTF-8 once it is decoded; a bot's id never is, so it is the user's.
    RawPathParams::from_request_parts(parts, web).await.map_err(|_| user_id_error())
}

fn param<'a>(params: &'a RawPathParams, name: &str) -> &'a str {
    params.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}

fn bot(params: &RawPathParams, parts: &Parts, web: &Web) -> Result<Bot, HttpError> {
    let asked = param(params, "bot");
    let unknown = || HttpError::NotFound(format!("Bot \"{asked}\" not found"));
    let id = BotId::parse(asked).map_err(|_| unknown())?;
    let workspace = web.workspace.borrow().clone();
    let info = workspace.bots.get(id.as_str()).filter(|info| !info.disabled).ok_or_else(unknown)?;
    if info.private {
        authorize(parts)?;
    }
    Ok(Bot { id, workspace })
}

/// Checks the bearer token. No token is known yet that a server of ours would accept.
fn authorize(parts: &Parts) -> Result<(), HttpError> {
    let Some(header) = parts.headers.get(AUTHORIZATION) else {
        return Err(HttpError::Unauthorized("Authorization header is missing".into()));
    };
    let header = String::from_utf8_lossy(header.as_bytes());
    let scheme = header.split(' ').next().unwrap_or_default();
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(HttpError::Unauthorized(format!("Unknown scheme \"{scheme}\"").into()));
    }
    Err(HttpError::Unauthorized("Invalid authentication token".into()))
}
