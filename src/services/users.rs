//! `bp.users`: attributes of users of channels, shared by all bots unless those are kept apart: the channel stands with the
//! bot then.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::call::{Call, LONG, Outcome, json, undefined};
use super::error::{Answer, ServiceError};
use crate::model::apart;
use crate::store::{Attributes, NewUser, Timestamp};

/// A user as `getOrCreateUser` gives it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct User<'u> {
    id: &'u str,
    channel: &'u str,
    attributes: &'u RawValue,
    created_on: Timestamp,
    updated_on: Timestamp,
    other_channels: [(); 0],
}

#[derive(Serialize)]
struct Made<'u> {
    created: bool,
    result: User<'u>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Paging {
    start: Option<u32>,
    count: Option<u32>,
}

pub(super) fn get_or_create(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let (channel, user) = key(call)?;
    let answer = |made: NewUser| {
        let NewUser { created, user } = made;
        let result = User {
            id: &user.user_id,
            channel: apart::plain(&user.channel),
            attributes: &user.attributes,
            created_on: user.created_at,
            updated_on: user.updated_at,
            other_channels: [],
        };
        json(&Made { created, result })
    };
    call.write(|store, done| store.get_or_create_user(channel, user, done), answer)
}

pub(super) fn attributes(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let (channel, user) = key(call)?;
    let found = call.read(|store| store.attributes(&channel, &user))?;
    let unknown = || call.refused(format!("there is no user \"{user}\" of channel \"{}\"", apart::plain(&channel)));
    found.ok_or_else(unknown).map(Outcome::Now)
}

pub(super) fn set(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let ((channel, user), attributes) = (key(call)?, given(call)?);
    call.write(|store, done| store.set_attributes(channel, user, attributes, done), nothing)
}

pub(super) fn update(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let ((channel, user), attributes) = (key(call)?, given(call)?);
    call.write(|store, done| store.update_attributes(channel, user, attributes, done), nothing)
}

pub(super) fn all(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let expected = "an object such as { start: 0, count: 10 }";
    let (most, method) = (call.services.settings.scripts.frame, call.method);
    let paging: Paging = call.args.optional(0, "paging", expected)?.unwrap_or_default();
    let of = call.services.within(call.caller).cloned();
    Ok(call.beside(LONG, move |services| {
        let rows = services.store.all_users(of.as_ref(), (paging.start.unwrap_or(0), paging.count), most);
        json(&rows.map_err(|source| ServiceError::Store { method, source })?)
    }))
}

pub(super) fn count(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let (method, of) = (call.method, call.services.within(call.caller).cloned());
    Ok(call.beside(LONG, move |services| {
        json(&services.store.user_count(of.as_ref()).map_err(|source| ServiceError::Store { method, source })?)
    }))
}

/// Channel, in lower case, and user.
fn key(call: &Call<'_>) -> Result<(String, String), ServiceError> {
    Ok((call.args.text(0, "channel")?.to_lowercase(), call.args.text(1, "userId")?))
}

fn given(call: &Call<'_>) -> Result<Attributes, ServiceError> {
    call.args.required(2, "attributes", "an object")
}

fn nothing((): ()) -> Answer {
    undefined()
}
