//! `bp.bots` and `bp.config`: configurations, less their secrets.

use std::path::PathBuf;

use serde_json::{Map, Value};

use super::call::{Call, Outcome, json, undefined};
use super::error::ServiceError;
use crate::config::modules::module_config;
use crate::config::redact::redact;
use crate::model::BotId;

/// `getAllBots()`: configurations by id; the realm makes a Map of it. Where bots are kept apart, the script's own alone.
pub(super) fn all(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let bots = call.services.bots.borrow();
    let own = call.services.within(call.caller);
    let seen = bots.0.iter().filter(|(id, _)| own.is_none_or(|own| own == *id));
    let all: Map<String, Value> = seen.map(|(id, bot)| (id.to_string(), Value::Object(redact(&bot.config)))).collect();
    json(&all).map(Outcome::Now)
}

/// `getBotById(id)`: `undefined` for one that is not there.
pub(super) fn by_id(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let id = call.args.string(0, "botId")?;
    let bots = call.services.bots.borrow();
    let found = BotId::parse(&id).ok().and_then(|id| bots.0.get(&id));
    found.map_or_else(undefined, |bot| json(&redact(&bot.config))).map(Outcome::Now)
}

/// `getModuleConfig(moduleId)`.
pub(super) fn module(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    read_module(call, &module_id(call)?, None)
}

/// `getModuleConfigForBot(moduleId, botId)`.
pub(super) fn module_for_bot(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let module = module_id(call)?;
    let given = call.args.text(1, "botId")?;
    let bots = call.services.bots.borrow();
    let bot = BotId::parse(&given).ok().filter(|bot| bots.0.contains_key(bot));
    let bot = bot.ok_or_else(|| call.refused(format!("there is no bot \"{given}\"")))?;
    read_module(call, &module, Some(&bot))
}

/// The name of a module, which becomes that of a file.
fn module_id(call: &Call<'_>) -> Result<String, ServiceError> {
    let module = call.args.text(0, "moduleId")?;
    let fine = module.len() <= 100 && module.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if fine { Ok(module) } else { Err(call.args.wrong(0, "moduleId", "the name of a module")) }
}

fn read_module(call: &Call<'_>, module: &str, bot: Option<&BotId>) -> Result<Outcome, ServiceError> {
    let (root, environment) = (call.services.root.get(), &call.services.settings.module_env);
    let config = module_config(root.map(PathBuf::as_path), environment, module, bot.map(BotId::as_str))
        .map_err(|problem| call.refused(format!("{}: {}", problem.place(), problem.message)))?;
    json(&redact(&config)).map(Outcome::Now)
}

/// `getBotpressConfig()`.
pub(super) fn configuration(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    json(&redact(&call.services.settings.raw)).map(Outcome::Now)
}
