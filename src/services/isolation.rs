//! The one place where a call is held against `scripts.isolation`, before any service sees it.
//!
//! Who calls is known by the dispatch ([`Caller`]), whose things a member reaches by its row in `sdk.rs`. Where bots share
//! all they have, nothing is looked at.

use serde_json::value::RawValue;

use super::args::Args;
use super::call::{Call, Outcome};
use super::caller::Caller;
use super::error::{Answer, ServiceError};
use super::state::ServiceState;
use crate::config::{ISOLATION, refusal, stranger};
use crate::model::{BotId, UserId, apart};
use crate::sdk::{Concerns, Member};

/// An argument in another one's place.
pub(super) type Instead = (usize, Box<RawValue>);

impl ServiceState {
    /// The bot within which a caller has to stay.
    pub(super) fn within<'c>(&self, caller: &'c Caller) -> Option<&'c BotId> {
        self.settings.dispatch.isolation.within(caller.bot.as_ref())
    }

    /// Refuses a call that reaches what is another bot's. Names that every bot has to itself are given as its own.
    pub(super) fn admit(
        &self,
        caller: &Caller,
        method: &'static str,
        args: &Args<'_>,
    ) -> Result<Option<Instead>, ServiceError> {
        let Some(own) = self.within(caller) else { return Ok(None) };
        let refused = |message| Err(ServiceError::Refused { method, message });
        // What has no row is nobody's to call.
        let member = Member::of(method).ok_or_else(|| ServiceError::Unknown(method.to_owned()))?;
        // What is no text is refused by the service, which says what it expects.
        let text = |at| args.raw(at).and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
        let instead = |at, name: &str| Ok(Some((at, quoted(&apart::name_of(own, name)))));
        match member.concerns {
            Concerns::Nobody | Concerns::Own | Concerns::Visitor | Concerns::Destination(_) => Ok(None),
            Concerns::Bot(at) => match text(at).and_then(|given| BotId::parse(&given).ok()) {
                Some(other) if other != *own => refused(refusal(own.as_str(), other.as_str())),
                _ => Ok(None),
            },
            Concerns::Namespace(at) => match text(at) {
                Some(given) if given == own.as_str() => Ok(None),
                Some(given) => match self.other_bot(own, &given) {
                    Some(other) => refused(refusal(own.as_str(), other.as_str())),
                    None => instead(at, &given),
                },
                None => Ok(None),
            },
            Concerns::User(at) => match text(at).filter(|channel| !channel.is_empty()) {
                Some(channel) => instead(at, &channel.to_lowercase()),
                None => Ok(None),
            },
            Concerns::Everybody => {
                refused(format!("it concerns all bots, a script of bot \"{own}\" may not ({ISOLATION})"))
            }
        }
    }

    /// Refuses to give a bot the content of another one: arguments are `[botId, member]`, the member only for the error.
    pub(super) fn admit_content(&self, caller: &Caller, args: &RawValue) -> Result<(), String> {
        let Some(own) = self.within(caller) else { return Ok(()) };
        let (other, member): (String, String) = serde_json::from_str(args.get()).unwrap_or_default();
        if BotId::parse(&other).is_ok_and(|other| other == *own) {
            return Ok(());
        }
        let member = Member::of(&format!("cms.{member}")).map_or("cms".to_owned(), Member::full_name);
        Err(format!("bp.{member}: {}", refusal(own.as_str(), &other)))
    }

    /// Another bot of that name.
    fn other_bot(&self, own: &BotId, name: &str) -> Option<BotId> {
        let named = BotId::parse(name).ok().filter(|named| named != own)?;
        self.bots.borrow().0.contains_key(&named).then_some(named)
    }
}

/// What is answered of a visitor: he is the script's bot's if he has written to it, an error says where not.
pub(super) fn of_visitor(
    call: &Call<'_>,
    visitor: UserId,
    answer: impl FnOnce(Result<&UserId, ServiceError>) -> Answer,
) -> Result<Outcome, ServiceError> {
    let Some(own) = call.services.within(call.caller).cloned() else {
        return answer(Ok(&visitor)).map(Outcome::Now);
    };
    let known = call.read(|store| store.knows_visitor(&own, &visitor))?;
    let stranger = || call.refused(stranger(own.as_str(), visitor.as_str()));
    answer(if known { Ok(&visitor) } else { Err(stranger()) }).map(Outcome::Now)
}

fn quoted(text: &str) -> Box<RawValue> {
    // A text always has JSON.
    serde_json::value::to_raw_value(text).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
