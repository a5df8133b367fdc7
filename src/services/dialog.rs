//! `bp.dialog`, as far as it needs the store.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::call::{Call, Outcome, undefined};
use super::error::ServiceError;
use crate::model::BotId;

/// `deleteSession(sessionId, botId?)`: without a bot it is the event's; outside an event it is every bot's.
pub(super) fn delete_session(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    let expected = "a session id such as \"web::user::thread\"";
    let id = call.args.text(0, "sessionId")?;
    let (channel, target, thread) = parse(&id).ok_or_else(|| call.args.wrong(0, "sessionId", expected))?;
    let bot = match call.args.optional::<String>(1, "botId", "a string")? {
        Some(bot) => Some(BotId::parse(&bot).map_err(|error| call.refused(error.to_string()))?),
        None => call.caller.bot.clone(),
    };
    call.write(|store, done| store.delete_session(bot, channel, target, thread, done), |()| undefined())
}

/// Channel, user and thread of a session id. A user that holds `::` is percent-encoded in it.
fn parse(id: &str) -> Option<(String, String, Option<Arc<str>>)> {
    let (channel, rest) = id.split_once("::")?;
    let (target, thread) = match rest.split_once("::") {
        Some((target, thread)) => (target, Some(thread)),
        None => (rest, None),
    };
    if channel.is_empty() || target.is_empty() {
        return None;
    }
    let encoded = target.to_ascii_lowercase().contains("%3a%3a");
    let target = if encoded { percent_decode_str(target).decode_utf8().ok()?.into_owned() } else { target.to_owned() };
    Some((channel.to_owned(), target, thread.map(Arc::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_is_taken_apart() {
        let parts = |id| parse(id).map(|(channel, target, thread)| (channel, target, thread.map(|t| t.to_string())));
        let some = |channel: &str, target: &str, thread: Option<&str>| {
            Some((channel.to_owned(), target.to_owned(), thread.map(str::to_owned)))
        };
        assert_eq!(parts("web::ann"), some("web", "ann", None));
        assert_eq!(parts("web::ann::12"), some("web", "ann", Some("12")));
        assert_eq!(parts("web::a%3A%3Ab::12"), some("web", "a::b", Some("12")));
        assert_eq!(parts("web::50%25"), some("web", "50%25", None));
        assert_eq!(parts("ann"), None);
        assert_eq!(parts("web::"), None);
    }
}
