//! Who is asked for and by whom: the bot and the user of a path, checked before anything else of a request is looked at.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::HeaderName;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use serde_json::value::RawValue;

use crate::model::channel::WEB;
use crate::model::{BotId, ConversationKey, UserId};
use crate::reload::{BotInfo, Workspace};
use crate::services::{Claims, TokenError};

use super::error::{HttpError, NO_TOKEN};
use super::state::Web;

/// The bot of a path: it exists, is not disabled, and the caller may use it.
pub(crate) struct Bot {
    /// Its id.
    pub(crate) id: BotId,
    workspace: Arc<Workspace>,
}

impl Bot {
    /// What is known of it.
    pub(crate) fn info(&self) -> Option<&BotInfo> {
        self.workspace.bots.get(self.id.as_str()).map(|info| &**info)
    }

    /// The workspace in which it was found.
    pub(crate) fn workspace(&self) -> &Workspace {
        &self.workspace
    }
}

/// The bot of a path, also a private one for callers without a token: what it shows to everybody.
pub(crate) struct Shown(pub(crate) BotId);

/// The bot of a path, asked for by somebody with a token that is good for it. Routes that need one whether or not the bot is
/// private take this.
pub(crate) struct Authorized {
    /// The bot.
    pub(crate) bot: Bot,
    /// What the token says.
    pub(crate) claims: Claims,
}

/// A bot and one of its users, who has proved to be that one where the id needs it (`visitorSecret`).
pub(crate) struct Visitor {
    /// The bot.
    pub(crate) bot: BotId,
    /// The user.
    pub(crate) user: UserId,
    /// `:conversationId`, where the path has one.
    pub(crate) conversation: Option<String>,
    /// `event.credentials`: what another system says of the user.
    pub(crate) credentials: Option<Box<RawValue>>,
}

impl Visitor {
    /// The visitor's conversations with the bot.
    pub(crate) fn key(&self) -> ConversationKey {
        ConversationKey { bot: self.bot.clone(), channel: WEB.into(), target: self.user.clone() }
    }
}

/// The same by the word of the caller alone: for routes that know no secrets of visitors, because a token or nothing at all
/// stands for their users.
pub(crate) struct Named(pub(crate) Visitor);

impl FromRequestParts<Web> for Bot {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, HttpError> {
        let params = path(parts, web).await?;
        bot(&params, parts, web)
    }
}

impl FromRequestParts<Web> for Shown {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, HttpError> {
        let params = path(parts, web).await?;
        Ok(Self(mounted(&params, web)?.id))
    }
}

impl FromRequestParts<Web> for Authorized {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, HttpError> {
        let params = path(parts, web).await?;
        let bot = bot(&params, parts, web)?;
        let claims = authorize(parts, web, &bot.id)?;
        Ok(Self { bot, claims })
    }
}

impl FromRequestParts<Web> for Visitor {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, HttpError> {
        let Named(visitor) = Named::from_request_parts(parts, web).await?;
        // Two such headers are as good as none: which of them counts?
        let mut given = parts.headers.get_all(SECRET).iter();
        let secret = given.next().filter(|_| given.next().is_none()).and_then(|secret| secret.to_str().ok());
        web.services.visitors().check(&visitor.user, secret).map_err(HttpError::Visitor)?;
        Ok(visitor)
    }
}

impl FromRequestParts<Web> for Named {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, HttpError> {
        let params = path(parts, web).await?;
        let bot = bot(&params, parts, web)?.id;
        let user = UserId::parse(param(&params, "user")).map_err(|_| user_id_error())?;
        let conversation = params.iter().find(|(name, _)| *name == "conversation").map(|(_, text)| text.to_owned());
        let credentials = credentials(parts, web)?;
        Ok(Self(Visitor { bot, user, conversation, credentials }))
    }
}

/// The header with the secret of the visitor that the path names.
const SECRET: HeaderName = HeaderName::from_static("x-visitor-secret");

fn user_id_error() -> HttpError {
    HttpError::plain("`userId` is required and must be valid")
}

async fn path(parts: &mut Parts, web: &Web) -> Result<RawPathParams, HttpError> {
    // Refused only where a part is no UTF-8 once it is decoded; a bot's id never is, so it is the user's.
    RawPathParams::from_request_parts(parts, web).await.map_err(|_| user_id_error())
}

/// A part of the path by its name.
pub(super) fn param<'a>(params: &'a RawPathParams, name: &str) -> &'a str {
    params.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}

fn bot(params: &RawPathParams, parts: &Parts, web: &Web) -> Result<Bot, HttpError> {
    let bot = mounted(params, web)?;
    if bot.info().is_some_and(|info| info.private) {
        authorize(parts, web, &bot.id)?;
    }
    Ok(bot)
}

/// The bot, whoever asks.
fn mounted(params: &RawPathParams, web: &Web) -> Result<Bot, HttpError> {
    let asked = param(params, "bot");
    let unknown = || HttpError::NotFound(format!("Bot \"{asked}\" not found"));
    let id = BotId::parse(asked).map_err(|_| unknown())?;
    let workspace = web.workspace.borrow().clone();
    workspace.bots.get(id.as_str()).filter(|info| !info.disabled).ok_or_else(unknown)?;
    Ok(Bot { id, workspace })
}

/// The header with the token of another system.
const EXTERNAL: HeaderName = HeaderName::from_static("x-bp-externalauth");

/// Longest piece of a header that is said back to the caller, in characters.
const SAID_BACK: usize = 50;

/// Checks the bearer token of the `Authorization` header, the only place where one is looked for: what stands in a query
/// string ends up in logs and histories.
fn authorize(parts: &Parts, web: &Web, bot: &BotId) -> Result<Claims, HttpError> {
    let token = bearer(parts, &AUTHORIZATION).map_err(|why| HttpError::Unauthorized(why.into()))?;
    let claims = web.services.tokens().check(&token).map_err(HttpError::InvalidToken)?;
    if claims.bot.as_ref().is_some_and(|only| only != bot) {
        return Err(HttpError::InvalidToken(TokenError::Audience));
    }
    Ok(claims)
}

/// Who the user is by the word of another system, if the caller brings it.
fn credentials(parts: &Parts, web: &Web) -> Result<Option<Box<RawValue>>, HttpError> {
    if !parts.headers.contains_key(&EXTERNAL) {
        return Ok(None);
    }
    let token = bearer(parts, &EXTERNAL).map_err(|why| HttpError::ExternalToken(why.into()))?;
    let claims = web.services.credentials(&token).map_err(|why| HttpError::ExternalToken(why.to_string().into()))?;
    Ok(Some(claims))
}

/// The token of a header `Bearer <token>`. Two such headers are as good as none: which of them counts?
fn bearer(parts: &Parts, name: &HeaderName) -> Result<String, String> {
    let mut values = parts.headers.get_all(name).iter();
    let (Some(header), None) = (values.next(), values.next()) else {
        let missing = !parts.headers.contains_key(name);
        return Err(if missing { NO_TOKEN } else { "The header is there twice" }.into());
    };
    let header = String::from_utf8_lossy(header.as_bytes());
    let (scheme, token) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(format!("Unknown scheme \"{}\"", scheme.chars().take(SAID_BACK).collect::<String>()));
    }
    match token.trim() {
        "" => Err("Authentication token is missing".into()),
        token => Ok(token.to_owned()),
    }
}
