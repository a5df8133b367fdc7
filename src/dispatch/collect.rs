//! Who waits for the replies of one event: `/converse`.

use std::collections::HashMap;

use serde_json::value::RawValue;
use tokio::sync::{oneshot, watch};

use super::errors::{ConverseError, Conversed};
use crate::model::EventId;

/// Collectors by event. What is told of an event without one is nobody's.
#[derive(Debug, Default)]
pub(super) struct Collectors {
    by_event: HashMap<EventId, Collector>,
}

/// One waiting caller.
#[derive(Debug)]
pub(super) struct Collector {
    answer: oneshot::Sender<Result<Conversed, ConverseError>>,
    so_far: Conversed,
    want_event: bool,
    /// The event's end is stored; nothing more comes from its realm.
    over: bool,
    settled: bool,
    /// Whether an action of the event runs: the caller's time does not.
    acting: watch::Sender<bool>,
}

impl Collector {
    /// A caller who is answered there, and told there when an action begins and ends.
    pub(super) fn new(
        answer: oneshot::Sender<Result<Conversed, ConverseError>>,
        want_event: bool,
        acting: watch::Sender<bool>,
    ) -> Self {
        Self { answer, so_far: Conversed::default(), want_event, over: false, settled: false, acting }
    }
}

impl Collectors {
    /// The event with this id answers that caller.
    pub(super) fn insert(&mut self, event: EventId, collector: Collector) {
        self.by_event.insert(event, collector);
    }

    /// Whether anybody still waits: a caller whose time is over is forgotten here.
    pub(super) fn waits(&mut self, event: EventId) -> bool {
        match self.by_event.get(&event) {
            None => false,
            Some(collector) if collector.answer.is_closed() => {
                self.by_event.remove(&event);
                false
            }
            Some(_) => true,
        }
    }

    /// The event is dispatched: what its work says of the caller, as the last members of its object. No action of it runs
    /// yet, though one may have run when another worker had it.
    pub(super) fn begins(&mut self, event: EventId) -> Option<&'static [u8]> {
        self.acts(event, false);
        let collector = self.by_event.get_mut(&event)?;
        (collector.over, collector.settled) = (false, false);
        Some(if collector.want_event { b",\"waited\":true,\"wantEvent\":true}" } else { b",\"waited\":true}" })
    }

    /// An action of the event begins or has ended.
    pub(super) fn acts(&mut self, event: EventId, acting: bool) {
        if let Some(collector) = self.by_event.get(&event) {
            collector.acting.send_if_modified(|was| std::mem::replace(was, acting) != acting);
        }
    }

    /// A reply is committed.
    pub(super) fn reply(&mut self, event: EventId, payload: Box<RawValue>) {
        if let Some(collector) = self.by_event.get_mut(&event) {
            collector.so_far.responses.push(payload);
        }
    }

    /// The event as it ended.
    pub(super) fn ended(&mut self, event: EventId, json: Option<Box<RawValue>>) {
        if let Some(collector) = self.by_event.get_mut(&event) {
            collector.so_far.event = json;
        }
    }

    /// The event's end is stored; and nothing more comes of it, if that `settles` it.
    pub(super) fn over(&mut self, event: EventId, settles: bool) {
        if let Some(collector) = self.by_event.get_mut(&event) {
            collector.over = true;
            if settles || collector.settled {
                self.settle(event);
            }
        }
    }

    /// All that its realm did is stored. If its end could not be, the event may run again, and the caller waits.
    pub(super) fn settled(&mut self, event: EventId) {
        if let Some(collector) = self.by_event.get_mut(&event) {
            collector.settled = true;
            if collector.over {
                self.settle(event);
            }
        }
    }

    /// Nothing more will come: the caller is answered with what there is.
    pub(super) fn settle(&mut self, event: EventId) {
        if let Some(collector) = self.by_event.remove(&event) {
            // A caller that is gone has been answered with a time-out.
            let _ = collector.answer.send(Ok(collector.so_far));
        }
    }

    /// Every caller gets an error.
    pub(super) fn fail_all(&mut self, error: impl Fn() -> ConverseError) {
        for (_, collector) in self.by_event.drain() {
            // A caller that is gone has been answered with a time-out.
            let _ = collector.answer.send(Err(error()));
        }
    }

    /// Forgets callers whose time is over.
    pub(super) fn prune(&mut self) {
        self.by_event.retain(|_, collector| !collector.answer.is_closed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    fn collector(collectors: &mut Collectors, id: u64) -> oneshot::Receiver<Result<Conversed, ConverseError>> {
        let (answer, receiver) = oneshot::channel();
        collectors.insert(EventId(id), Collector::new(answer, false, watch::channel(false).0));
        receiver
    }

    #[test]
    fn concurrent_callers_get_each_their_own_replies_in_order() {
        let mut collectors = Collectors::default();
        let mut first = collector(&mut collectors, 1);
        let mut second = collector(&mut collectors, 2);
        collectors.reply(EventId(2), raw("\"b1\""));
        collectors.reply(EventId(1), raw("\"a1\""));
        collectors.reply(EventId(2), raw("\"b2\""));
        collectors.reply(EventId(3), raw("\"nobody\""));
        assert!(first.try_recv().is_err(), "not before the event has settled");
        collectors.settle(EventId(1));
        collectors.settle(EventId(2));
        let texts = |answer: &mut oneshot::Receiver<Result<Conversed, ConverseError>>| {
            answer.try_recv().unwrap().unwrap().responses.iter().map(|raw| raw.get().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(texts(&mut first), ["\"a1\""]);
        assert_eq!(texts(&mut second), ["\"b1\"", "\"b2\""]);
    }

    #[test]
    fn a_caller_is_told_when_an_action_begins_and_ends_and_that_it_has_ended_when_the_event_runs_again() {
        let mut collectors = Collectors::default();
        let (acting, told) = watch::channel(false);
        collectors.insert(EventId(1), Collector::new(oneshot::channel().0, true, acting));
        assert_eq!(collectors.begins(EventId(1)), Some(&b",\"waited\":true,\"wantEvent\":true}"[..]));
        assert!(!told.has_changed().unwrap());
        collectors.acts(EventId(1), true);
        assert!(*told.borrow());
        collectors.begins(EventId(1));
        assert!(!*told.borrow());
        assert_eq!(collectors.begins(EventId(2)), None);
    }

    #[test]
    fn a_caller_is_answered_only_when_the_events_end_is_stored_and_not_before_it_has_run_again() {
        let mut collectors = Collectors::default();
        let mut answer = collector(&mut collectors, 1);
        collectors.settled(EventId(1));
        assert!(answer.try_recv().is_err(), "its end could not be stored");
        collectors.begins(EventId(1));
        collectors.over(EventId(1), false);
        assert!(answer.try_recv().is_err(), "it runs again, and more may come");
        collectors.settled(EventId(1));
        assert!(answer.try_recv().is_ok());
    }

    #[test]
    fn a_caller_whose_time_is_over_is_forgotten() {
        let mut collectors = Collectors::default();
        drop(collector(&mut collectors, 1));
        assert!(!collectors.waits(EventId(1)));
        drop(collector(&mut collectors, 2));
        collectors.prune();
        assert!(collectors.by_event.is_empty());
    }
}
