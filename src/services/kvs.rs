//! `bp.kvs`: values under a key of a bot or of any other name.
//!
//! A short value is read here and now, and changed in its place by the store's writer. A long one is read and taken apart on a
//! thread of its own, in the turn of its bot, and nobody waits for that but the line whose call it is.

use std::sync::Arc;

use serde_json::{Number, Value};
use tokio::task::spawn_blocking;

use super::call::{Call, LONG, Outcome, completion, json, undefined};
use super::error::{Answer, ServiceError};
use super::path::{self, Path};
use crate::config::values::duration_of;
use crate::store::{Expiry, KvsFound, KvsPlace, KvsWrite, StoreError};

/// How often a long value is read anew that somebody else has changed meanwhile.
const TRIES: usize = 5;

/// `get(botId, key, path?)`.
pub(super) fn get(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let (place, path) = (place(call)?, path_at(call, 2)?);
    read(call, place, move |value| match path {
        None => Ok(value),
        Some(path) => match path::get(&parse(&value).unwrap_or(Value::Null), &path) {
            Some(part) => json(part),
            None => undefined(),
        },
    })
}

/// `set(botId, key, value, path?, expiry?)`.
pub(super) fn set(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let (place, path) = (place(call)?, path_at(call, 3)?);
    let value = value(call)?;
    let expiry = match call.args.raw(4).filter(|raw| raw.get() != "null") {
        Some(_) => expiry_at(call, 4)?,
        None => Expiry::Keep,
    };
    let write = write(call, place, expiry);
    let Some(path) = path else {
        return call.write(|store, done| store.kvs_set(write, value, done), |()| undefined());
    };
    let set = move |present| {
        let value = parse(&value).map_err(invalid)?;
        Ok((Some(set_in(present, &path, value)?), ()))
    };
    change(call, write, set, |()| undefined())
}

/// `delete(botId, key, path?)`.
pub(super) fn delete(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let (place, path) = (place(call)?, path_at(call, 2)?);
    let Some(path) = path else {
        return call.write(|store, done| store.kvs_delete(place, done), |_: bool| undefined());
    };
    let remove = move |present: Option<String>| {
        let Some(present) = present else { return Ok((None, ())) };
        let mut whole = parse(&present).map_err(invalid)?;
        let changed = if path::remove(&mut whole, &path) { Some(whole.to_string()) } else { None };
        Ok((changed, ()))
    };
    change(call, write(call, place, Expiry::Keep), remove, |()| undefined())
}

/// `increment(botId, key, by?, path?)`: the sum, which is stored in the same step.
pub(super) fn increment(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let (place, path) = (place(call)?, path_at(call, 3)?.unwrap_or_default());
    let by = call.args.optional::<Number>(2, "by", "a number")?.unwrap_or_else(|| 1.into());
    let sum_up = move |present: Option<String>| {
        let mut whole = present.as_deref().map_or(Ok(Value::Null), parse).map_err(invalid)?;
        let sum = match path::get(&whole, &path) {
            None | Some(Value::Null) => Some(by.clone()),
            Some(Value::Number(number)) => add(number, &by),
            Some(_) => None,
        };
        let sum = sum.ok_or_else(|| StoreError::Invalid("what is stored there is no number to add to".into()))?;
        path::set(&mut whole, &path, sum.clone().into());
        Ok((Some(whole.to_string()), sum))
    };
    change(call, write(call, place, Expiry::Keep), sum_up, |sum: Number| json(&sum))
}

/// An answer made of the value there, `undefined` if there is none.
fn read(
    call: &Call<'_>,
    place: KvsPlace,
    answer: impl FnOnce(String) -> Answer + Send + 'static,
) -> Result<Outcome, ServiceError> {
    match call.read(|store| store.kvs_get(&place, LONG))? {
        KvsFound::Nothing => undefined().map(Outcome::Now),
        KvsFound::Value(value) => answer(value).map(Outcome::Now),
        KvsFound::Longer(bytes) => {
            let method = call.method;
            Ok(call.beside(bytes, move |services| match services.store.kvs_get(&place, u64::MAX) {
                Ok(KvsFound::Value(value)) => answer(value),
                Ok(_) => undefined(),
                Err(source) => Err(ServiceError::Store { method, source }),
            }))
        }
    }
}

/// A value is changed in one step, whoever else changes it. `change` may be asked more than once.
fn change<T: Send + 'static>(
    call: &Call<'_>,
    write: KvsWrite,
    change: impl Fn(Option<String>) -> Result<(Option<String>, T), StoreError> + Send + Sync + 'static,
    answer: impl FnOnce(T) -> Answer + Send + 'static,
) -> Result<Outcome, ServiceError> {
    let given: usize = (0..4).filter_map(|at| call.args.raw(at)).map(|raw| raw.get().len()).sum();
    let size = call.read(|store| store.kvs_size(&write.place))?.unwrap_or(0) + given as u64;
    if size <= LONG {
        return call.write(|store, done| store.kvs_update(write, change, done), answer);
    }
    let (services, line, method) = (Arc::clone(call.services), call.caller.line, call.method);
    let writing = services.store.of(call.caller.bot.as_ref());
    let failed = move |source| ServiceError::Store { method, source };
    let (write, change) = (Arc::new(write), Arc::new(change));
    let work = Box::pin(async move {
        services.settled(line).await;
        for _ in 0..TRIES {
            let (store, place, change) = (services.store.clone(), write.place.clone(), Arc::clone(&change));
            let made = spawn_blocking(move || {
                let present = match store.kvs_get(&place, u64::MAX)? {
                    KvsFound::Value(value) => Some(value),
                    _ => None,
                };
                change(present.clone()).map(|(value, told)| (present, value, told))
            });
            let made = made.await.unwrap_or_else(|error| Err(StoreError::Panicked(error.to_string())));
            let (present, value, told) = made.map_err(failed)?;
            let Some(value) = value else { return answer(told) };
            let (done, replaced) = completion();
            match present {
                Some(present) => writing.kvs_replace(KvsWrite::clone(&write), present, value, done),
                // It was removed meanwhile: what is there now is short, or nothing.
                None => writing.kvs_update(
                    KvsWrite::clone(&write),
                    move |present| Ok(present.map_or((Some(value), true), |_| (None, false))),
                    done,
                ),
            }
            if replaced.await.unwrap_or(Err(StoreError::Closed)).map_err(failed)? {
                return answer(told);
            }
        }
        Err(failed(StoreError::Invalid(format!(
            "the value of {:?} changes all the time, while it takes long to change; ask once more",
            write.place.key
        ))))
    });
    Ok(Outcome::Long { bytes: size, work })
}

/// Whole numbers stay exact as long as they can.
fn add(a: &Number, b: &Number) -> Option<Number> {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) if a.checked_add(b).is_some() => Some((a + b).into()),
        _ => Number::from_f64(a.as_f64()? + b.as_f64()?),
    }
}

/// A stored value with one part of it set.
fn set_in(present: Option<String>, path: &[String], value: Value) -> Result<String, StoreError> {
    let mut whole = present.as_deref().map_or(Ok(Value::Null), parse).map_err(invalid)?;
    drop(present);
    path::set(&mut whole, path, value);
    Ok(whole.to_string())
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn invalid(error: serde_json::Error) -> StoreError {
    StoreError::Invalid(error.to_string())
}

/// `exists(botId, key)`.
pub(super) fn exists(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let place = place(call)?;
    json(&call.read(|store| store.kvs_size(&place))?.is_some()).map(Outcome::Now)
}

/// `setStorageWithExpiry(botId, key, value, expiry?)`; without an expiry the value stays for ever.
pub(super) fn set_with_expiry(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let (place, value, expiry) = (place(call)?, value(call)?, expiry_at(call, 3)?);
    let write = write(call, place, expiry);
    call.write(|store, done| store.kvs_set(write, value, done), |()| undefined())
}

/// `getStorageWithExpiry(botId, key)`.
pub(super) fn get_with_expiry(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    read(call, place(call)?, Ok)
}

/// `removeStorageKeysStartingWith(prefix)`: some after the others, so that nobody waits for all of them.
pub(super) fn remove_prefix(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let prefix = call.args.text(0, "prefix")?;
    let of = call.services.within(call.caller).cloned();
    let (store, method) = (call.services.store.of(call.caller.bot.as_ref()), call.method);
    let work = Box::pin(async move {
        loop {
            let (done, more) = completion();
            store.kvs_delete_prefix(prefix.clone(), of.clone(), done);
            let more = more.await.unwrap_or(Err(StoreError::Closed));
            if !more.map_err(|source| ServiceError::Store { method, source })? {
                return undefined();
            }
        }
    });
    Ok(Outcome::Long { bytes: LONG, work })
}

fn place(call: &Call<'_>) -> Result<KvsPlace, ServiceError> {
    Ok(KvsPlace { bot: call.args.string(0, "botId")?, key: call.args.string(1, "key")? })
}

fn write(call: &Call<'_>, place: KvsPlace, expiry: Expiry) -> KvsWrite {
    KvsWrite { place, owner: call.caller.bot.clone(), expiry }
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
