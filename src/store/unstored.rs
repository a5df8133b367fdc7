//! Events of which something could not be stored: a full disk, a failed commit. Such an event must not end as if all were
//! well: it runs again, and what of it is stored is not repeated.

use std::collections::HashSet;
use std::sync::Arc;

use parking_lot::Mutex;

use super::StoreError;
use crate::model::EventId;

/// The events. All that happens here happens on the writer's thread, in the order of the operations.
#[derive(Debug, Clone, Default)]
pub(super) struct Unstored(Arc<Mutex<HashSet<EventId>>>);

impl Unstored {
    /// Notes the event if that is an outcome which another attempt could change.
    pub(super) fn note<T>(&self, event: EventId, outcome: &Result<T, StoreError>) {
        match outcome {
            Ok(_)
            | Err(
                StoreError::ConversationNotFound(_)
                | StoreError::Invalid(_)
                | StoreError::Panicked(_)
                | StoreError::Closed,
            ) => {}
            Err(_) => {
                self.0.lock().insert(event);
            }
        }
    }

    /// An error if something of the event could not be stored since the last call.
    pub(super) fn check(&self, event: EventId) -> Result<(), StoreError> {
        let mut events = self.0.lock();
        if !events.is_empty() && events.remove(&event) {
            return Err(StoreError::Unstored(event));
        }
        Ok(())
    }
}
