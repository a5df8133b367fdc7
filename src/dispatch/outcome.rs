//! How an event ends, on its way to the store.

use std::time::Instant;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::traces::Trace;
use super::work::QueuedRun;
use crate::fleet::Loan;
use crate::model::{EventId, QueuedEvent, SessionKey};
use crate::store::Lifetimes;

/// How often the end of an event is tried to be stored before its conversation goes on without it.
pub(super) const FINISH_TRIES: u32 = 8;
/// How often an event runs of which something cannot be stored, before its end is stored without that, or it is set aside where
/// the disk or the database is at fault.
pub(super) const MOST_RUNS: u32 = 6;

/// The end of an event.
#[derive(Debug)]
pub(super) struct Finishing {
    pub(super) event: EventId,
    pub(super) session: SessionKey,
    /// The event without its body, should it have to run again, and when it was queued.
    pub(super) queued: QueuedEvent,
    pub(super) queued_at: Instant,
    /// Why it is set aside, if it is.
    pub(super) aside: Option<String>,
    /// It is a time-out of that session.
    pub(super) timeout: bool,
    /// How long the session lives from now on.
    pub(super) lifetimes: Lifetimes,
    /// The `Processed` frame, to take the state from again if the first try fails; none for an event that was ended.
    pub(super) body: Option<Bytes>,
    /// The bytes of that frame, until its end is stored.
    pub(super) _loan: Option<Loan>,
    /// Nothing follows: who waits for the replies is answered.
    pub(super) settles: bool,
    pub(super) tries: u32,
    /// How often it has run already and something of it could not be stored.
    pub(super) unstored: u32,
}

impl Finishing {
    /// The end of an event that leaves nothing to store.
    pub(super) fn of(run: &QueuedRun, lifetimes: Lifetimes) -> Self {
        let QueuedEvent { id, key, thread, kind, deaths, timeout, reset, depth, .. } = &run.event;
        let queued = QueuedEvent {
            id: *id,
            key: key.clone(),
            thread: thread.clone(),
            kind: kind.clone(),
            body: "".into(),
            deaths: *deaths,
            timeout: *timeout,
            reset: *reset,
            depth: *depth,
        };
        Self {
            event: *id,
            session: run.event.session(),
            queued,
            queued_at: run.queued,
            aside: None,
            timeout: *timeout,
            lifetimes,
            body: None,
            _loan: None,
            settles: true,
            tries: 0,
            unstored: run.unstored,
        }
    }
}

/// Largest payload that a trace shows.
const MOST_PAYLOAD: usize = 4 << 10;

/// The payload of an event, from its text, for its trace; nothing of a large one.
pub(super) fn payload_of(event: &str) -> Option<Box<RawValue>> {
    #[derive(serde::Deserialize)]
    struct WithPayload<'a> {
        #[serde(borrow)]
        payload: &'a RawValue,
    }
    let WithPayload { payload } = serde_json::from_str(event).ok()?;
    (payload.get().len() <= MOST_PAYLOAD).then(|| payload.to_owned())
}

/// The trace of an event that was dispatched at `sent`, or before that in another realm, where it began: its times are those of all
/// its realms together.
pub(super) fn trace_of(
    run: &QueuedRun,
    sent: Instant,
    now: Instant,
    errors: u32,
    ended: Option<String>,
    steps: Option<Box<RawValue>>,
) -> Trace {
    let began = run.begun.unwrap_or(sent);
    let milliseconds = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1_000.0;
    Trace {
        event: run.event.id,
        bot: run.event.key.bot.clone(),
        kind: run.event.kind.clone(),
        channel: run.event.key.channel.clone(),
        target: run.event.key.target.clone(),
        waited_ms: milliseconds(run.queued, began),
        took_ms: milliseconds(began, now),
        payload: run.payload.clone(),
        errors,
        ended,
        steps,
        late: None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{BotId, ConversationKey, UserId};

    #[test]
    fn a_trace_has_the_payload_as_hooks_find_it_unless_it_is_large() {
        let of = |payload: &str| payload_of(&format!(r#"{{"id":"1","payload":{payload},"createdOn":1}}"#));
        let nested = r#"{"type":"proactive-trigger","payload":{"channel":"web","payload":{"page":"/"}}}"#;
        assert_eq!(of(nested).unwrap().get(), nested);
        assert!(of(&format!("\"{}\"", "x".repeat(MOST_PAYLOAD))).is_none());
    }

    #[test]
    fn the_time_of_an_event_that_goes_on_in_another_realm_is_that_of_both() {
        let key = ConversationKey {
            bot: BotId::parse("a").unwrap(),
            channel: "web".into(),
            target: UserId::parse("u").unwrap(),
        };
        let event = QueuedEvent {
            id: EventId(1),
            key,
            thread: None,
            kind: "text".into(),
            body: "{}".into(),
            deaths: 0,
            timeout: false,
            reset: false,
            depth: 0,
        };
        let queued = Instant::now();
        let after = |ms| queued + Duration::from_millis(ms);
        let mut run = QueuedRun::new(event, 0, queued);
        let trace = trace_of(&run, after(10), after(30), 0, None, None);
        assert_eq!((trace.waited_ms, trace.took_ms), (10.0, 20.0));
        run.begun = Some(after(10));
        let trace = trace_of(&run, after(1_010), after(1_030), 0, None, None);
        assert_eq!((trace.waited_ms, trace.took_ms), (10.0, 1_020.0));
    }
}
