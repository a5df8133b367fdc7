//! Events of which something could not be stored: a full disk, a failed commit. Such an event must not end as if all were
//! well: it runs again, and what of it is stored is not repeated.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::error::StoreError;
use crate::model::EventId;

/// The events: no more than are under way (`queue.inFlight`). All that happens here happens on the writer's thread, in the order of the operations.
#[derive(Debug, Clone, Default)]
pub(super) struct Unstored(Arc<Mutex<HashSet<EventId>>>);

impl Unstored {
    /// The event must not end before it has run again. What hooks without an event do has no end: nothing would ever take
    /// the note away.
    pub(super) fn note(&self, event: EventId) {
        if event.is_of_queue() {
            self.0.lock().insert(event);
        }
    }

    /// Whether something of the event could not be stored since this was told last.
    pub(super) fn has(&self, event: EventId) -> bool {
        let events = self.0.lock();
        !events.is_empty() && events.contains(&event)
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
        unstored.note(event);
        unstored.note(of_hooks);
        assert!(unstored.has(event) && !unstored.has(of_hooks));
        unstored.told(event);
        assert!(unstored.0.lock().is_empty());
    }
}
