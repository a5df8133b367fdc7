//! `bp.http`: short links, kept in memory, which hooks make anew at each start; tokens for calls to this server, and those of
//! other systems.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::call::{Call, Outcome, json};
use super::error::ServiceError;
use super::tokens::TokenError;
use crate::config::{local_address, public_address};
use crate::model::BotId;

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

/// Most links there may be; a script in a loop must not fill the memory.
const MOST: usize = 10_000;

/// `createShortLink(name, destination, params?)`; a link of that name is replaced.
pub(super) fn create_short_link(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let name = call.args.text(0, "name")?.to_lowercase();
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
    let mut links = call.services.links.lock();
    if links.len() >= MOST && !links.contains_key(&name) {
        return Err(call.refused(format!("there are {MOST} short links already; delete some")));
    }
    links.insert(name, destination);
    Ok(Outcome::Now(String::new()))
}

/// `deleteShortLink(name)`.
pub(super) fn delete_short_link(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let name = call.args.text(0, "name")?.to_lowercase();
    call.services.links.lock().remove(&name);
    Ok(Outcome::Now(String::new()))
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
