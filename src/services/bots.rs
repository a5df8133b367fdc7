//! `bp.bots` and `bp.config`: configurations, less their secrets.

use serde_json::{Map, Value};

use super::ServiceError;
use super::call::{Call, Outcome, json, undefined};
use crate::model::BotId;

/// Keys, in lower case, whose values never cross the wall, wherever they stand.
const SECRET_KEYS: &[&str] = &[
    "accesskey",
    "accesstoken",
    "apikey",
    "appsecret",
    "authtoken",
    "clientsecret",
    "jwtsecret",
    "password",
    "privatekey",
    "refreshtoken",
    "secret",
    "secretaccesskey",
    "secretkey",
    "signingkey",
    "signingsecret",
    "token",
];

/// `getAllBots()`: configurations by id; the realm makes a Map of it.
pub(super) fn all(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let bots = call.services.bots.borrow();
    let all: Map<String, Value> =
        bots.0.iter().map(|(id, bot)| (id.to_string(), Value::Object(without_secrets(&bot.config)))).collect();
    json(&all).map(Outcome::Now)
}

/// `getBotById(id)`: `undefined` for one that is not there.
pub(super) fn by_id(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let id = call.args.string(0, "botId")?;
    let bots = call.services.bots.borrow();
    let found = BotId::parse(&id).ok().and_then(|id| bots.0.get(&id));
    found.map_or_else(undefined, |bot| json(&without_secrets(&bot.config))).map(Outcome::Now)
}

/// `getBotpressConfig()`.
pub(super) fn configuration(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    json(&without_secrets(&call.services.settings.raw)).map(Outcome::Now)
}

fn without_secrets(map: &Map<String, Value>) -> Map<String, Value> {
    map.iter()
        .filter(|(key, _)| {
            let plain: String = key.chars().filter(|c| *c != '_' && *c != '-').collect();
            !SECRET_KEYS.contains(&plain.to_lowercase().as_str())
        })
        .map(|(key, value)| (key.clone(), redacted(value)))
        .collect()
}

fn redacted(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(without_secrets(map)),
        Value::Array(list) => Value::Array(list.iter().map(redacted).collect()),
        other => other.clone(),
    }
}
