//! What scripts do to the world: replies and events they send. Stored first, told afterwards.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::super::action::{Action, After, Asked, Effect as Change};
use super::super::notices::Notice;
use super::super::typing::typing_length;
use super::super::work::{Flight, QueuedRun, Work};
use super::{Machine, Now};
use crate::fleet::Loan;
use crate::fleet::broken::{Rule, is_broken};
use crate::model::channel::channel;
use crate::model::{BotId, ConversationKey, EventId, SessionKey, UserId};
use crate::protocol::{Effect, LogLine};
use crate::store::OutgoingMessage;
use crate::telemetry::escape::one_line;

/// Of an event that a script made.
const OUTGOING: &str = "outgoing";
/// The same, sent to a bot.
const INCOMING: &str = "incoming";
/// Longest name of a channel, and longest id of a conversation, in bytes.
const LONGEST_NAME: usize = 200;

/// Where an effect goes, if there can be such a place.
fn address(effect: &Effect) -> Result<ConversationKey, String> {
    let bot = BotId::parse(&effect.bot_id).map_err(|error| error.to_string())?;
    let target = UserId::parse(&effect.target).map_err(|error| error.to_string())?;
    let Effect { channel, thread_id, direction, .. } = effect;
    if channel.is_empty() || channel.len() > LONGEST_NAME || channel.chars().any(char::is_control) {
        return Err("its channel must have 1 to 200 bytes and no control characters".to_owned());
    }
    if thread_id.as_ref().is_some_and(|thread| thread.len() > LONGEST_NAME) {
        return Err("its threadId must have 200 bytes at most".to_owned());
    }
    if direction != OUTGOING && direction != INCOMING {
        return Err(format!("its direction is {direction:.40?}"));
    }
    Ok(ConversationKey { bot, channel: channel.as_str().into(), target })
}

impl Machine {
    /// An effect of a dispatch that runs. An error is a breach of the protocol. An effect that says what cannot be is
    /// none: scripts have their hands on it. It is refused, and the log says so.
    pub(super) fn effect(
        &mut self,
        now: Now,
        dispatch: u64,
        number: u32,
        effect: Result<Box<Effect>, String>,
        loan: Loan,
    ) -> Result<(), String> {
        let limit = self.tally.settings.scripts.effects;
        let Some(flight) = self.flights.get_mut(&dispatch) else { return Ok(()) };
        flight.effects += 1;
        match &flight.work {
            Work::Event(_) if flight.effects > limit || number >= limit => {
                return Err(format!("more than {limit} effects of one event"));
            }
            // What start hooks left behind has no end: theirs are counted by the second, also by the realm, which refuses
            // more. Its seconds begin at other times.
            Work::Hooks(run) if flight.effects > limit.saturating_mul(2) => {
                if flight.effects - 1 == limit.saturating_mul(2) {
                    let bot = run.bot.as_ref().map(tracing::field::display);
                    tracing::error!(
                        bot,
                        "what {} hooks leave running makes more than {limit} replies and events in a second \
                         (scripts.effects): more of them are dropped",
                        run.kind.folder()
                    );
                }
                return Ok(());
            }
            _ => {}
        }
        let asked = effect.as_ref().ok().and_then(|effect| effect.ask).map(|number| Asked { dispatch, number });
        if asked.is_some() {
            flight.asks()?;
        }
        let (isolation, bot) = (self.tally.settings.dispatch.isolation, flight.bot());
        let checked = |effect: Box<Effect>| {
            let key = address(&effect)?;
            // The realm has refused it before, unless a script has taken it over.
            isolation.refuses(bot, &key.bot).map_or(Ok((key, effect)), Err)
        };
        let refused = match effect.and_then(checked) {
            Ok((key, effect)) => return self.take_effect(now, (dispatch, number), asked, key, *effect, loan),
            Err(why) => why,
        };
        let why = one_line(&refused);
        match &flight.work {
            Work::Event(QueuedRun { event, .. }) => {
                tracing::error!(bot = %event.key.bot, "an event that a script of event {} made is refused: {why}", event.id);
            }
            Work::Hooks(run) => {
                let bot = run.bot.as_ref().map(tracing::field::display);
                tracing::error!(bot, "an event that a {} hook made is refused: {why}", run.kind.folder());
            }
        }
        self.not_sent(now, asked, refused);
        Ok(())
    }

    /// A number for an effect of hooks without an event. No event has it, whatever id the script gave: the lower half of
    /// each millisecond belongs to those.
    fn hook_effect(&mut self, now: Now) -> EventId {
        let fresh = now.millis * EventId::PER_MS + EventId::OF_QUEUE;
        self.last_hook_effect = fresh.max(self.last_hook_effect + 1);
        if EventId(self.last_hook_effect).is_of_queue() {
            self.last_hook_effect += EventId::OF_QUEUE;
        }
        EventId(self.last_hook_effect)
    }

    fn take_effect(
        &mut self,
        now: Now,
        (dispatch, number): (u64, u32),
        asked: Option<Asked>,
        key: ConversationKey,
        effect: Effect,
        loan: Loan,
    ) -> Result<(), String> {
        let Some(flight) = self.flights.get(&dispatch) else { return Ok(()) };
        // What runs for no bot may speak to whom it likes.
        let known_only = self.tally.settings.dispatch.isolation.within(flight.bot()).is_some();
        let hook = match &flight.work {
            Work::Event(_) => None,
            Work::Hooks(run) => Some(run.kind.folder()),
        };
        // Hooks without an event are no event's second run: each of their effects stands for itself.
        let (event, own) = match &flight.work {
            Work::Event(run) => (run.event.id, Some(run.event.key.clone())),
            Work::Hooks(_) => (self.hook_effect(now), None),
        };
        // An event that began while its bot was mounted ends as it began.
        let own_bot = own.as_ref().is_some_and(|own| own.bot == key.bot);
        if !own_bot && !self.served.as_ref().is_some_and(|served| served.bots.contains(&key.bot)) {
            // The bot was mounted when the script looked; it may have gone meanwhile.
            let why = format!("there is no bot {} any more", key.bot);
            if asked.is_none() {
                tracing::warn!(bot = %key.bot, "an event for bot {} is dropped: {why}", key.bot);
            }
            self.not_sent(now, asked, why);
        } else if effect.direction == OUTGOING {
            let collected = own.is_some_and(|own| own == key) && self.collectors.waits(event);
            self.outgoing(now, (event, number), key, effect, (collected, known_only), loan);
        } else {
            self.incoming(now, (dispatch, asked), (event, number), key, effect, loan);
        }
        let bot = self.flights.get(&dispatch).and_then(|flight| flight.bot().cloned());
        if let Some(batch) = self.batch.as_mut().filter(|batch| batch.event == event) {
            batch.hook = hook;
            batch.bot = bot;
        }
        Ok(())
    }

    fn outgoing(
        &mut self,
        now: Now,
        (event, number): (EventId, u32),
        key: ConversationKey,
        effect: Effect,
        (collected, known_only): (bool, bool),
        loan: Loan,
    ) {
        let now = now.millis;
        let thread: Option<Arc<str>> = effect.thread_id.map(Arc::from);
        let mut deliver_at = now;
        if channel(&key.channel).typing {
            let at = self.holds.deliver_at(&key, now);
            if effect.kind == "typing" {
                let length = typing_length(&effect.payload).min(self.tally.settings.dispatch.typing);
                if !self.holds.typing(&key, length, now) {
                    tracing::warn!(
                        bot = %key.bot,
                        "the bot types to more than {} users at once (`scripts.typingUsers`): messages to further ones are \
                         not held back",
                        self.tally.settings.dispatch.typing_users
                    );
                }
                let bot = key.bot.clone();
                let notice = Notice::Typing { key, thread, length, at };
                return self.tell_after_commits(bot, (notice, None), known_only);
            }
            if effect.kind == "data" {
                let bot = key.bot.clone();
                let notice = Notice::Data { key, payload: Arc::from(effect.payload), at };
                return self.tell_after_commits(bot, (notice, Some(loan)), known_only);
            }
            deliver_at = at;
        }
        if is_broken(Rule::EveryEffect) && number % 3 == 2 {
            return;
        }
        let payload = effect.payload;
        let message_text = effect.preview.or_else(|| text_of(&payload));
        let copy = collected.then(|| payload.clone());
        let message = OutgoingMessage {
            session: SessionKey { conversation: key.clone(), thread },
            known_only,
            payload,
            message_type: effect.kind.into(),
            message_text,
            deliver_at,
            sent_on: deliver_at,
        };
        self.batch_of(event).effects.push(Change::Reply { number, key, message, copy, loan });
    }

    fn tell_after_commits(&mut self, bot: BotId, (notice, loan): (Notice, Option<Loan>), known_only: bool) {
        self.submit();
        let notify = if known_only { After::NotifyKnown } else { After::Notify };
        self.actions.push(Action::AfterCommits(Some(bot), notify(notice, loan)));
    }
}

/// The `text` of a payload, where it is a string.
fn text_of(payload: &RawValue) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Text<'a> {
        #[serde(borrow, default)]
        text: Option<&'a RawValue>,
    }
    let Text { text } = serde_json::from_str(payload.get()).ok()?;
    serde_json::from_str(text?.get()).ok()
}

/// A line of a script or of the engine, and the event it belongs to. The bot is that of the dispatch, not what the worker says.
pub(super) fn of_dispatch(flight: &Flight, mut line: LogLine) -> (LogLine, Option<EventId>) {
    if let Some(bot) = flight.bot() {
        line.bot = Some(bot.as_str().to_owned());
    }
    let event = match &flight.work {
        Work::Event(run) => Some(run.event.id),
        Work::Hooks(_) => None,
    };
    (line, event)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn only_a_string_is_a_messages_text() {
        assert_eq!(text_of(&raw(r#"{"text":"a\nb"}"#)).as_deref(), Some("a\nb"));
        for payload in [r#"{"text":3}"#, r#"{}"#, r#"{"text":null}"#, "[]", "\"x\""] {
            assert_eq!(text_of(&raw(payload)), None, "{payload}");
        }
    }
}
