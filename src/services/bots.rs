//! `bp.bots` and `bp.config`: configurations, less their secrets.

use serde_json::{Map, Value};

use super::ServiceError;
use super::call::{Call, Outcome, json, undefined};
use crate::config::redact::redact;
use crate::model::BotId;

/// `getAllBots()`: configurations by id; the realm makes a Map of it.
pub(super) fn all(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let bots = call.services.bots.borrow();
    let all: Map<String, Value> =
        bots.0.iter().map(|(id, bot)| (id.to_string(), Value::Object(redact(&bot.config)))).collect();
    json(&all).map(Outcome::Now)
}

/// `getBotById(id)`: `undefined` for one that is not there.
pub(super) fn by_id(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let id = call.args.string(0, "botId")?;
    let bots = call.services.bots.borrow();
    let found = BotId::parse(&id).ok().and_then(|id| bots.0.get(&id));
    found.map_or_else(undefined, |bot| json(&redact(&bot.config))).map(Outcome::Now)
}

/// `getBotpressConfig()`.
pub(super) fn configuration(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    json(&redact(&call.services.settings.raw)).map(Outcome::Now)
}
