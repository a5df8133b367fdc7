//! `bp.kvs`: values under a key of a bot or of any other name.

use serde_json::Value;

use super::call::{Call, Outcome, json, undefined};
use super::path::{self, Path};
use super::{Answer, ServiceError};
use crate::config::values::duration_of;
use crate::store::{Expiry, StoreError};

/// `get(botId, key, path?)`.
pub(super) fn get(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let ((bot, key), path) = (key(call)?, path_at(call, 2)?);
    let answer = move |value: Option<String>| match (value, path) {
        (None, _) => undefined(),
        (Some(value), None) => Ok(value),
        (Some(value), Some(path)) => match path::get(&parse(&value).unwrap_or(Value::Null), &path) {
            Some(part) => json(part),
            None => undefined(),
        },
    };
    call.read(|store, order, done| store.kvs_get(order, bot, key, done), answer)
}

/// `set(botId, key, value, path?, expiry?)`.
pub(super) fn set(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let ((bot, key), path) = (key(call)?, path_at(call, 3)?);
    let value = value(call)?;
    let expiry = match call.args.raw(4).filter(|raw| raw.get() != "null") {
        Some(_) => expiry_at(call, 4)?,
        None => Expiry::Keep,
    };
    let most = call.services.settings.scripts.frame;
    let change = move |present: Option<String>| -> Result<String, StoreError> {
        let Some(path) = path else { return Ok(value) };
        let invalid = |error: serde_json::Error| StoreError::Invalid(error.to_string());
        let mut whole = present.map_or(Ok(Value::Null), |text| parse(&text)).map_err(invalid)?;
        path::set(&mut whole, &path, parse(&value).map_err(invalid)?);
        let text = serde_json::to_string(&whole).map_err(invalid)?;
        // What is larger could never be read again.
        if text.len() as u64 >= most {
            return Err(StoreError::Invalid(format!(
                "the value would have {} bytes, less than {most} are allowed",
                text.len()
            )));
        }
        Ok(text)
    };
    call.write(|store, done| store.kvs_change(bot, key, expiry, change, done), |()| undefined())
}

/// `delete(botId, key)`.
pub(super) fn delete(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let (bot, key) = key(call)?;
    call.write(|store, done| store.kvs_delete(bot, key, done), |_: bool| undefined())
}

/// `exists(botId, key)`.
pub(super) fn exists(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let (bot, key) = key(call)?;
    let answer = |value: Option<String>| json(&value.is_some());
    call.read(|store, order, done| store.kvs_get(order, bot, key, done), answer)
}

/// `setStorageWithExpiry(botId, key, value, expiry?)`; without an expiry the value stays for ever.
pub(super) fn set_with_expiry(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let ((bot, key), value, expiry) = (key(call)?, value(call)?, expiry_at(call, 3)?);
    call.write(|store, done| store.kvs_change(bot, key, expiry, |_| Ok(value), done), |()| undefined())
}

/// `getStorageWithExpiry(botId, key)`.
pub(super) fn get_with_expiry(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let (bot, key) = key(call)?;
    let answer = |value: Option<String>| -> Answer { Ok(value.unwrap_or_default()) };
    call.read(|store, order, done| store.kvs_get(order, bot, key, done), answer)
}

/// `removeStorageKeysStartingWith(prefix)`.
pub(super) fn remove_prefix(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let prefix = call.args.text(0, "prefix")?;
    call.write(|store, done| store.kvs_delete_prefix(prefix, done), |()| undefined())
}

fn key(call: &Call<'_>) -> Result<(String, String), ServiceError> {
    Ok((call.args.string(0, "botId")?, call.args.string(1, "key")?))
}

/// The value to be stored, as JSON text.
fn value(call: &Call<'_>) -> Result<String, ServiceError> {
    let raw = call.args.raw(2).ok_or_else(|| call.args.wrong(2, "value", "a value that JSON can hold"))?;
    Ok(raw.get().to_owned())
}

fn path_at(call: &Call<'_>, at: usize) -> Result<Option<Path>, ServiceError> {
    let expected = "a path such as \"a.b[0]\" or an array of keys";
    let Some(given) = call.args.optional::<Value>(at, "path", expected)? else { return Ok(None) };
    let path = path::parse(&given).ok_or_else(|| call.args.wrong(at, "path", expected))?;
    // An empty path is no path.
    Ok(Some(path).filter(|path| !path.is_empty()))
}

fn expiry_at(call: &Call<'_>, at: usize) -> Result<Expiry, ServiceError> {
    let expected = "a time such as '6 hours' or '10m', 'never', or a number of milliseconds";
    let wrong = || call.args.wrong(at, "expiry", expected);
    match call.args.optional::<Value>(at, "expiry", expected)? {
        None => Ok(Expiry::Never),
        Some(Value::String(text)) if text.trim().eq_ignore_ascii_case("never") => Ok(Expiry::Never),
        Some(value) => duration_of(&value).map(Expiry::After).ok_or_else(wrong),
    }
}

fn parse(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(text)
}
