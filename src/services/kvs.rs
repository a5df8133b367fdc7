//! `bp.kvs`: values under a key of a bot or of any other name.

use serde_json::{Number, Value};

use super::call::{Call, Outcome, json, undefined};
use super::error::{Answer, ServiceError};
use super::path::{self, Path};
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
    let change = move |present: Option<String>| match path {
        Some(path) => set_in(present, &path, parse(&value).map_err(invalid)?, most),
        None => Ok(value),
    };
    call.write(|store, done| store.kvs_change(bot, key, expiry, change, done), |()| undefined())
}

/// `delete(botId, key, path?)`.
pub(super) fn delete(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let ((bot, key), path) = (key(call)?, path_at(call, 2)?);
    let Some(path) = path else {
        return call.write(|store, done| store.kvs_delete(bot, key, done), |_: bool| undefined());
    };
    let change = move |present: Option<String>| {
        let Some(present) = present else { return Ok((None, ())) };
        let mut whole = parse(&present).map_err(invalid)?;
        let changed = if path::remove(&mut whole, &path) { Some(whole.to_string()) } else { None };
        Ok((changed, ()))
    };
    call.write(|store, done| store.kvs_update(bot, key, Expiry::Keep, change, done), |()| undefined())
}

/// `increment(botId, key, by?, path?)`: the sum, which is stored in the same step.
pub(super) fn increment(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let ((bot, key), path) = (key(call)?, path_at(call, 3)?.unwrap_or_default());
    let by = call.args.optional::<Number>(2, "by", "a number")?.unwrap_or_else(|| 1.into());
    let most = call.services.settings.scripts.frame;
    let change = move |present: Option<String>| {
        let whole = present.as_deref().map_or(Ok(Value::Null), parse).map_err(invalid)?;
        let sum = match path::get(&whole, &path) {
            None | Some(Value::Null) => Some(by),
            Some(Value::Number(number)) => add(number, &by),
            Some(_) => None,
        };
        let sum = sum.ok_or_else(|| StoreError::Invalid("what is stored there is no number to add to".into()))?;
        let text = set_in(present, &path, sum.clone().into(), most)?;
        Ok((Some(text), sum))
    };
    let answer = |sum: Number| json(&sum);
    call.write(|store, done| store.kvs_update(bot, key, Expiry::Keep, change, done), answer)
}

/// Whole numbers stay exact as long as they can.
fn add(a: &Number, b: &Number) -> Option<Number> {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) if a.checked_add(b).is_some() => Some((a + b).into()),
        _ => Number::from_f64(a.as_f64()? + b.as_f64()?),
    }
}

/// A stored value with one part of it set.
fn set_in(present: Option<String>, path: &[String], value: Value, most: u64) -> Result<String, StoreError> {
    let mut whole = present.as_deref().map_or(Ok(Value::Null), parse).map_err(invalid)?;
    path::set(&mut whole, path, value);
    let text = whole.to_string();
    // What is larger could never be read again.
    if text.len() as u64 >= most {
        let message = format!("the value would have {} bytes, less than {most} are allowed", text.len());
        return Err(StoreError::Invalid(message));
    }
    Ok(text)
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn invalid(error: serde_json::Error) -> StoreError {
    StoreError::Invalid(error.to_string())
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
