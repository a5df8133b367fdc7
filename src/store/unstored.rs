//! Events of which something could not be stored: a full disk, a failed commit. Such an event must not end as if all were
//! well: it runs again, and what of it is stored is not repeated.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::error::StoreError;
use crate::model::EventId;

/// The events. All that happens here happens on the writer's thread, in the order of the operations.
#[derive(Debug, Clone, Default)]
pub(super) struct Unstored(Arc<Mutex<HashSet<EventId>>>);

impl Unstored {
    /// The event must not end before it has run again.
    pub(super) fn note(&self, event: EventId) {
        self.0.lock().insert(event);
    }

    /// Whether something of the event could not be stored since this was told last.
    pub(super) fn has(&self, event: EventId) -> bool {
        let events = self.0.lock();
        !events.is_empty() && events.contains(&event)
    }

    /// It is told: the event runs again.
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
