//! What scripts do to the world: replies, events they send, lines they log. Stored first, told afterwards.

use std::sync::Arc;

use serde_json::value::RawValue;

use super::core::{Control, Core};
use super::hold::typing_length;
use super::stats::count;
use super::work::{Flight, Work};
use super::{AcceptError, Notice, Shared};
use crate::model::{BotId, ConversationKey, EventDraft, EventId, SessionKey, UserId};
use crate::protocol::{Effect, LogLine};
use crate::store::{FollowUp, OutgoingMessage, Reply, StoreError};
use crate::telemetry;

/// The channel whose messages are kept and whose users wait while the bot types.
const WEB: &str = "web";

impl Core {
    /// An effect of a dispatch that runs. An error is a breach of the protocol.
    pub(super) fn effect(&mut self, dispatch: u64, number: u32, effect: Effect) -> Result<(), String> {
        let limit = self.shared.settings.scripts.effects;
        let Some(flight) = self.flights.get_mut(&dispatch) else { return Ok(()) };
        flight.effects += 1;
        if flight.effects > limit || number >= limit {
            return Err(format!("more than {limit} effects of one event"));
        }
        // Hooks without an event are no event's second run: each of their effects stands for itself.
        let (event, own) = match &flight.work {
            Work::Event(job) => (job.event.id, Some(job.event.key.clone())),
            Work::Hooks(_) => (effect.id, None),
        };
        let bot = BotId::parse(&effect.bot_id).map_err(|error| error.to_string())?;
        let target = UserId::parse(&effect.target).map_err(|error| error.to_string())?;
        if !self.program.as_ref().is_some_and(|program| program.bots.contains(&bot)) {
            // The bot was mounted when the script looked; it may have gone meanwhile.
            tracing::warn!(bot = %bot, "an event for bot {bot} is dropped: there is no such bot");
            return Ok(());
        }
        let key = ConversationKey { bot, channel: effect.channel.as_str().into(), target };
        match effect.direction.as_str() {
            "outgoing" => {
                let collected = own.is_some_and(|own| own == key) && self.collectors.waits(event);
                self.outgoing(event, number, key, effect, collected);
                Ok(())
            }
            "incoming" => {
                let bot = key.bot.clone();
                let refused = self.incoming(event, number, key, effect).err();
                let flight = self.flights.get_mut(&dispatch);
                // A script that sends without end is reported once, not for each.
                if let Some((full, flight)) = refused.zip(flight)
                    && !std::mem::replace(&mut flight.refused, true)
                {
                    tracing::error!(
                        bot = %bot,
                        "an event sent by a script of event {event} is dropped (said once for each event): {full}"
                    );
                }
                Ok(())
            }
            other => Err(format!("an event's direction is {other:?}")),
        }
    }

    fn outgoing(&mut self, event: EventId, number: u32, key: ConversationKey, effect: Effect, collected: bool) {
        let now = self.shared.clock.now();
        let thread: Option<Arc<str>> = effect.thread_id.map(Arc::from);
        let shared = Arc::clone(&self.shared);
        let mut deliver_at = now;
        if &*key.channel == WEB {
            if effect.kind == "typing" {
                let length = typing_length(&effect.payload);
                let at = self.holds.deliver_at(&key, now);
                self.holds.typing(&key, length, now);
                self.shared.store.barrier(move || shared.notify(Notice::Typing { key, thread, length, at }));
                return;
            }
            deliver_at = self.holds.deliver_at(&key, now);
        }
        let (message_type, payload) = web_shape(&key.channel, effect.kind, effect.payload);
        let message_text = effect.preview.or_else(|| text_of(&payload));
        let copy = collected.then(|| payload.clone());
        let out = OutgoingMessage {
            session: SessionKey { conversation: key.clone(), thread },
            payload,
            message_type: message_type.into(),
            message_text,
            deliver_at,
            sent_on: deliver_at,
        };
        self.shared.store.reply(event, number, out, move |result| match result {
            Ok(Reply::AlreadyStored) => {}
            Ok(reply) => {
                count(&shared.counters.replies_committed);
                if let Reply::Stored(message) = reply {
                    shared.notify(Notice::Stored { key, deliver_at, message: Arc::new(message) });
                }
                if let Some(payload) = copy {
                    shared.tell(Control::Replied { event, payload });
                }
            }
            Err(error) => tracing::error!(bot = %key.bot, "a reply of event {event} could not be stored: {error}"),
        });
    }

    /// An event that a script sends; an error where its queue is full.
    fn incoming(
        &mut self,
        event: EventId,
        number: u32,
        key: ConversationKey,
        effect: Effect,
    ) -> Result<(), AcceptError> {
        if let Err(full @ AcceptError::Full { .. }) = self.shared.enter(&key) {
            return Err(full);
        }
        let draft = EventDraft {
            key: key.clone(),
            thread: effect.thread_id.map(Arc::from),
            kind: effect.kind.into(),
            payload: effect.payload,
            preview: effect.preview,
            nlu: effect.nlu,
            credentials: None,
            suggestions: effect.suggestions,
        };
        let shared = Arc::clone(&self.shared);
        self.shared.store.follow_up(event, number, draft, move |result| followed(&shared, event, &key, result));
        Ok(())
    }

    /// A line of the worker itself. More than a few hundred between two looks at it are a flood.
    pub(super) fn log_of_worker(&mut self, worker: u32, line: LogLine) -> Result<(), String> {
        self.pool.count_line(worker)?;
        log(None, line);
        Ok(())
    }
}

fn followed(shared: &Shared, event: EventId, key: &ConversationKey, result: Result<FollowUp, StoreError>) {
    match result {
        Ok(FollowUp::Queued(queued)) => {
            count(&shared.counters.follow_ups_committed);
            shared.tell(Control::Queued { event: queued, at: std::time::Instant::now(), collector: None });
        }
        Ok(FollowUp::AlreadyQueued) => shared.admission.leave(key),
        Err(error) => {
            shared.admission.leave(key);
            tracing::error!(bot = %key.bot, "an event sent by a script of event {event} could not be stored: {error}");
        }
    }
}

/// The web sender takes `default` for text and says so in the payload; other channels get the payload as it is.
fn web_shape(channel: &str, kind: String, payload: Box<RawValue>) -> (String, Box<RawValue>) {
    if channel != WEB || kind != "default" {
        return (kind, payload);
    }
    let shaped = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(payload.get()).ok();
    let shaped = shaped.and_then(|mut map| {
        map.insert("type".to_owned(), "text".into());
        serde_json::value::to_raw_value(&map).ok()
    });
    ("text".to_owned(), shaped.unwrap_or(payload))
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

/// Writes a line of a script or of the engine to the log. The bot is that of the dispatch, not what the worker says.
pub(super) fn log(flight: Option<&Flight>, mut line: LogLine) {
    if let Some(bot) = flight.and_then(Flight::bot) {
        line.bot = Some(bot.as_str().to_owned());
    }
    let event = flight.and_then(|flight| match &flight.work {
        Work::Event(job) => Some(job.event.id),
        Work::Hooks(_) => None,
    });
    telemetry::script_line(&line, event);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn the_web_sender_takes_default_for_text() {
        let (kind, payload) = web_shape("web", "default".into(), raw(r#"{"a":1,"text":"x"}"#));
        assert_eq!((kind.as_str(), payload.get()), ("text", r#"{"a":1,"text":"x","type":"text"}"#));
        let (kind, payload) = web_shape("api", "default".into(), raw(r#"{"text":"x"}"#));
        assert_eq!((kind.as_str(), payload.get()), ("default", r#"{"text":"x"}"#));
        let (kind, payload) = web_shape("web", "default".into(), raw("\"x\""));
        assert_eq!((kind.as_str(), payload.get()), ("text", "\"x\""));
    }

    #[test]
    fn only_a_string_is_a_messages_text() {
        assert_eq!(text_of(&raw(r#"{"text":"a\nb"}"#)).as_deref(), Some("a\nb"));
        for payload in [r#"{"text":3}"#, r#"{}"#, r#"{"text":null}"#, "[]", "\"x\""] {
            assert_eq!(text_of(&raw(payload)), None, "{payload}");
        }
    }
}
