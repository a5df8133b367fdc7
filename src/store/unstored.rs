//! Events of which something could not be stored: a full disk, a failed commit. Such an event must not end as if all were
//! well: it runs again, and what of it is stored is not repeated.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::error::StoreError;
use crate::model::EventId;

/// The events, and whether it is because nothing can be stored. All that happens here happens on the writer's thread, in the
/// order of the operations.
#[derive(Debug, Clone, Default)]
pub(super) struct Unstored(Arc<Mutex<BTreeMap<EventId, bool>>>);

/// Most events that are noted, many times more than are under way (`queue.inFlight`). What an event does after its end has nobody
/// who takes its note away: such notes are the oldest, and go first.
const MOST: usize = 100_000;

impl Unstored {
    /// The event must not end before it has run again. What hooks without an event do has no end: nothing would ever take
    /// the note away.
    pub(super) fn note(&self, event: EventId, error: &StoreError) {
        if event.is_of_queue() {
            let mut events = self.0.lock();
            events.insert(event, error.is_trouble());
            if events.len() > MOST {
                events.pop_first();
            }
        }
    }

    /// That something of the event could not be stored since this was told last, if so.
    pub(super) fn of(&self, event: EventId) -> Option<StoreError> {
        let events = self.0.lock();
        if events.is_empty() {
            return None;
        }
        events.get(&event).map(|trouble| StoreError::Unstored { event, trouble: *trouble })
    }

    /// It is told: the event runs again; or it is set aside.
    pub(super) fn told(&self, event: EventId) {
        self.0.lock().remove(&event);
    }
}

/// Whether that is an outcome which another attempt could change.
pub(super) fn matters(error: &StoreError) -> bool {
    !matches!(
        error,
        StoreError::ConversationNotFound(_) | StoreError::Invalid(_) | StoreError::Panicked(_) | StoreError::Closed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hooks_without_an_event_could_not_store_is_not_noted_for_ever() {
        let unstored = Unstored::default();
        let (event, of_hooks) = (EventId(7 * EventId::PER_MS), EventId(7 * EventId::PER_MS + EventId::OF_QUEUE));
        let lost = StoreError::Invalid("lost".into());
        unstored.note(event, &lost);
        unstored.note(of_hooks, &lost);
        assert!(unstored.of(event).is_some() && unstored.of(of_hooks).is_none());
        unstored.told(event);
        assert!(unstored.0.lock().is_empty());
    }

    #[test]
    fn of_very_many_events_the_oldest_are_forgotten_whose_end_was_long_ago() {
        let unstored = Unstored::default();
        let event = |number: usize| EventId(number as u64 * EventId::PER_MS);
        let note = |number: usize| unstored.note(event(number), &StoreError::Invalid("lost".into()));
        (1..=MOST).for_each(note);
        assert!(unstored.of(event(1)).is_some());
        note(MOST + 1);
        assert!(unstored.of(event(1)).is_none());
        assert!(unstored.of(event(2)).is_some() && unstored.of(event(MOST + 1)).is_some());
    }
}
