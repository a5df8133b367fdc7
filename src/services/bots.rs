//! `bp.bots` and `bp.config`: configurations, less their secrets.

use std::path::PathBuf;

use super::call::{Call, LONG, Outcome, undefined};
use super::configurations;
use super::error::ServiceError;
use super::state::ServiceState;
use crate::config::modules::module_config;
use crate::model::BotId;

/// `getAllBots()`: configurations by id; the realm makes a Map of it. Where bots are kept apart, the script's own alone.
pub(super) fn all(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let bots = call.services.bots.borrow().clone();
    let own = call.services.within(call.caller);
    let seen = bots.0.keys().filter(|id| own.is_none_or(|own| own == *id));
    Ok(Outcome::Now(call.services.configurations.bots(&bots, seen)))
}

/// `getBotById(id)`: `undefined` for one that is not there.
pub(super) fn by_id(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let id = call.args.string(0, "botId")?;
    let bots = call.services.bots.borrow().clone();
    let found = BotId::parse(&id).ok().and_then(|id| call.services.configurations.bot(&bots, &id));
    found.map_or_else(undefined, |text| Ok(text.as_ref().into())).map(Outcome::Now)
}

/// `getModuleConfig(moduleId)`.
pub(super) fn module(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    read_module(call, &module_id(call)?, None)
}

/// `getModuleConfigForBot(moduleId, botId)`.
pub(super) fn module_for_bot(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let module = module_id(call)?;
    let given = call.args.text(1, "botId")?;
    let bots = call.services.bots.borrow().clone();
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
    let signature = configurations::signature(call.services.root.get().map(PathBuf::as_path), module, bot);
    if let Some(text) = call.services.configurations.module(module, bot, &signature) {
        return Ok(Outcome::Now(text.as_ref().into()));
    }
    let (method, module, bot, bytes) = (call.method, module.to_owned(), bot.cloned(), signature.bytes());
    let read = move |services: &ServiceState| {
        let (root, environment) = (services.root.get(), &services.settings.module_env);
        let config = module_config(root.map(PathBuf::as_path), environment, &module, bot.as_ref().map(BotId::as_str));
        let config = config.map_err(|problem| ServiceError::Refused {
            method,
            message: format!("{}: {}", problem.place(), problem.message),
        })?;
        Ok(services.configurations.keep_module(&module, bot.as_ref(), signature, &config).as_ref().into())
    };
    if bytes > LONG { Ok(call.beside(bytes, read)) } else { read(call.services).map(Outcome::Now) }
}

/// `getBotpressConfig()`.
pub(super) fn configuration(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let services = call.services;
    Ok(Outcome::Now(services.configurations.server(&services.settings.raw).as_ref().into()))
}
