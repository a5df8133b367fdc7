//! `bp.http`: short links, kept in memory; hooks make them anew at each start.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::ServiceError;
use super::call::{Call, Outcome};

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
