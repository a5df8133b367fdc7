//! `bp.realtime`: what scripts tell the pages of visitors, and administrators.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::call::{Call, Outcome, json, undefined};
use super::error::ServiceError;
use super::isolation::of_visitor;
use super::pages::Audience;
use crate::model::UserId;

/// How names of events begin that are for visitors.
const FOR_GUESTS: &str = "guest.";
/// How the room of a visitor is named.
const ROOM: &str = "visitor:";
/// Longest name of an event, in bytes.
const LONGEST_NAME: usize = 200;

/// `sendPayload(payload)`, as the realm passes it on: name and data.
pub(super) fn send_payload(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    #[derive(Deserialize)]
    struct Room {
        #[serde(rename = "__room")]
        room: Option<String>,
    }
    let name = call.args.text(0, "eventName")?.to_lowercase();
    if name.len() > LONGEST_NAME {
        return Err(call.refused(format!("the name of the event must have {LONGEST_NAME} bytes at most")));
    }
    let data = call.args.raw(1).unwrap_or(RawValue::NULL);
    let Some(pages) = call.services.pages.get() else { return Ok(Outcome::Now(String::new())) };
    if !name.starts_with(FOR_GUESTS) {
        (pages.tell)(Audience::Admins(call.caller.bot.as_ref()), &name, data);
        return Ok(Outcome::Now(String::new()));
    }
    // What is for one visitor must never reach another, so that it must be said whom it is for.
    let room = serde_json::from_str(data.get()).ok().and_then(|Room { room }| room);
    let visitor = room.as_deref().and_then(|room| room.strip_prefix(ROOM)).and_then(|id| UserId::parse(id).ok());
    let visitor = visitor.ok_or_else(|| {
        call.refused(format!(
            "{name:?} is for one visitor: use bp.RealTimePayload.forVisitor(visitorId, name, payload)"
        ))
    })?;
    of_visitor(call, visitor, |visitor| {
        (pages.tell)(Audience::Visitor(visitor?), &name, data);
        undefined()
    })
}

/// `getVisitorIdFromGuestSocketId(socketId)`.
pub(super) fn visitor_of_socket(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let id = call.args.text(0, "socketId")?;
    let visitor = call.services.pages.get().and_then(|pages| (pages.visitor_of)(&id));
    let Some(visitor) = visitor else { return undefined().map(Outcome::Now) };
    of_visitor(call, visitor, |visitor| visitor.map_or_else(|_| undefined(), |visitor| json(&visitor.as_str())))
}
