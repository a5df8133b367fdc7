//! `bp.http`: short links; tokens for calls to this server, and those of other systems.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::call::{Call, Outcome, json, undefined};
use super::caller::Line;
use super::error::ServiceError;
use super::tokens::TokenError;
use crate::config::{local_address, public_address};
use crate::model::BotId;
use crate::store::ShortLink;

/// How long a token for calls of this server to itself is good, in milliseconds.
const TOKEN_LIFETIME: u64 = 5 * 60_000;

/// What `encodeURIComponent` encodes.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// Longest name of a link, in bytes.
const LONGEST_NAME: usize = 200;

/// `createShortLink(name, destination, params?)`; a link of that name is replaced, if it is the bot's. What hooks make that run
/// at each start stays; what an event makes has its time.
pub(super) fn create_short_link(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let name = link_name(call)?;
    let mut destination = call.args.text(1, "destination")?;
    let params: Map<String, Value> = call.args.optional(2, "params", "an object")?.unwrap_or_default();
    for (key, value) in &params {
        let value = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        destination.push(if destination.contains('?') { '&' } else { '?' });
        destination.extend(utf8_percent_encode(key, COMPONENT));
        destination.push('=');
        destination.extend(utf8_percent_encode(&value, COMPONENT));
    }
    let owner = call.caller.bot.clone();
    let lasting = !matches!(call.caller.line, Some(Line::Event(_)));
    let link = ShortLink { name, target: destination, owner, lasting };
    call.write(|store, done| store.put_short_link(link, done), |()| undefined())
}

/// `deleteShortLink(name)`.
pub(super) fn delete_short_link(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let name = link_name(call)?;
    let asker = call.caller.bot.clone();
    call.write(|store, done| store.delete_short_link(name, asker, done), |()| undefined())
}

/// The name of a link in lower case. What has the id of a bot is for that bot alone: its chat stands there.
fn link_name(call: &Call<'_>) -> Result<String, ServiceError> {
    let name = call.args.text(0, "name")?.to_lowercase();
    if name.len() > LONGEST_NAME {
        return Err(call.refused(format!("the name of a short link must have {LONGEST_NAME} bytes at most")));
    }
    let of_bot = BotId::parse(&name).ok().filter(|bot| call.services.bots.borrow().0.contains_key(bot));
    match (of_bot, &call.caller.bot) {
        (Some(bot), Some(asker)) if bot != *asker => {
            Err(call.refused(format!("short link {name:?} belongs to bot \"{bot}\"; choose another name")))
        }
        _ => Ok(name),
    }
}

/// `getAxiosConfigForBot(botId, { localUrl }?)`: where that bot's routes are, and a token that is good for them and for no
/// other bot's.
pub(super) fn axios_config(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Options {
        #[serde(default)]
        local_url: Option<bool>,
    }
    let wrong = || call.args.wrong(0, "botId", "the id of a bot");
    let bot = BotId::parse(&call.args.text(0, "botId")?).map_err(|_| wrong())?;
    let options: Options =
        call.args.optional(1, "options", "an object { localUrl: true or false }")?.unwrap_or_default();
    let settings = &call.services.settings;
    let address = if options.local_url == Some(true) { local_address(settings) } else { public_address(settings) };
    let token = call.services.tokens.make(Some("scripts"), Some(&bot), TOKEN_LIFETIME);
    let token = token.map_err(|error| call.refused(error.to_string()))?;
    json(&serde_json::json!({
        "baseURL": format!("{address}/api/v1/bots/{bot}"),
        "headers": { "Authorization": format!("Bearer {token}") },
    }))
    .map(Outcome::Now)
}

/// `decodeExternalToken(token)`: what the token of another system says, once it is verified. `Bearer ` may stand before it.
pub(super) fn decode_external_token(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let token = call.args.text(0, "token")?;
    let token = token.strip_prefix("Bearer ").unwrap_or(&token).trim();
    let external = call.services.external.as_ref().ok_or(TokenError::Disabled);
    let claims = external.and_then(|external| external.check(token));
    let claims = claims.map_err(|error| call.refused(format!("the token is not good: {error}")))?;
    Ok(Outcome::Now(claims.get().to_owned()))
}
