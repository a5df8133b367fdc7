//! Events that were set aside because workers died on them: kept, listed, and run again or forgotten where somebody says so.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::handle::Store;
use super::queue::event_of_row;
use super::{sessions, timeouts};
use crate::model::{EventId, QueuedEvent};

/// The event without its body, if it is a reset.
const RESET: &str = "SELECT id, bot, channel, target, thread, kind, '', deaths, timeout, reset, depth FROM queue \
                     WHERE id = ? AND reset = 1";

/// An event that does not run again by itself.
#[derive(Debug, Clone)]
pub struct Poisoned {
    /// The event, without its body and without a word of whether it is a time-out.
    pub event: QueuedEvent,
    /// Why it was set aside.
    pub reason: String,
}

impl Store {
    /// Sets an event aside, with the reason; it stays in the table for [`Store::poisoned`]. The dialog that it was to end
    /// has ended, the session that it was to reset has begun anew.
    pub fn set_aside(
        &self,
        event: EventId,
        reason: String,
        then: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let unstored = self.0.unstored.clone();
        self.write_then(
            move |tx| {
                unstored.told(event);
                // What it resets is done now, and not once more should it be tried again.
                let mut resetting = tx.connection.prepare_cached(RESET)?;
                let reset = resetting.query_row([event.0], event_of_row).optional()?;
                if let Some(reset) = reset {
                    sessions::delete(tx, &reset.session())?;
                }
                tx.memory().forget_event(event);
                tx.run("UPDATE queue SET poison = ?2, reset = 0 WHERE id = ?1", params![event.0, reason])?;
                timeouts::clear(tx, event, None)
            },
            then,
        );
    }

    /// Events that were set aside, oldest first.
    pub fn poisoned(&self) -> Result<Vec<Poisoned>, StoreError> {
        self.read(list)
    }

    /// Puts an event that was set aside back into the queue, as if no worker had died on it; false if there is none. What
    /// it did before is not done twice. A server takes it up when it starts.
    pub fn retry_poisoned(&self, event: EventId) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        let sql = "UPDATE queue SET poison = NULL, deaths = 0 WHERE id = ? AND poison IS NOT NULL";
        self.write(move |tx| Ok(tx.run(sql, [event.0])? == 1))
    }

    /// Removes an event that was set aside; false if there is none.
    pub fn forget_poisoned(&self, event: EventId) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        self.write(move |tx| {
            let found = tx.run("DELETE FROM queue WHERE id = ? AND poison IS NOT NULL", [event.0])? == 1;
            tx.memory().forget_event(event);
            if found {
                tx.run("DELETE FROM effects WHERE event = ?", [event.0])?;
            }
            Ok(found)
        })
    }
}

pub(super) fn list(connection: &Connection) -> Result<Vec<Poisoned>, StoreError> {
    // Only columns of the first format: whoever looks from outside leaves a database as it is.
    let sql = "SELECT id, bot, channel, target, thread, kind, '', deaths, 0, 0, 0, poison FROM queue \
               WHERE poison IS NOT NULL ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| Ok(Poisoned { event: event_of_row(row)?, reason: row.get(11)? }))?;
    rows.collect::<Result<_, _>>().map_err(StoreError::from)
}

#[cfg(test)]
mod tests {
    use super::super::ConversationTarget;
    use super::super::testing::*;
    use super::*;

    fn ids(fixture: &Fixture) -> Vec<EventId> {
        fixture.store.poisoned().unwrap().iter().map(|poisoned| poisoned.event.id).collect()
    }

    #[test]
    fn a_poisoned_event_is_listed_and_never_pending_nor_finished() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        wait(|then| fixture.store.set_aside(event.id, "killed two workers".into(), then)).unwrap();
        fixture.finish(&event, None);
        assert!(fixture.store.pending().unwrap().is_empty());
        let poisoned = fixture.store.poisoned().unwrap();
        assert_eq!((poisoned[0].event.id, poisoned[0].reason.as_str()), (event.id, "killed two workers"));
        assert!(fixture.store.queued(event.id).unwrap().is_none());
    }

    #[test]
    fn one_that_is_tried_again_is_pending_and_innocent_and_one_that_is_forgotten_is_gone() {
        let fixture = Fixture::new();
        let [again, gone, other] =
            ["ann", "bob", "cy"].map(|user| fixture.accept(user, ConversationTarget::Nowhere).event);
        for event in [&again, &gone] {
            fixture.store.count_death(event.id);
            wait(|then| fixture.store.set_aside(event.id, "killed two workers".into(), then)).unwrap();
        }
        assert_eq!(ids(&fixture), [again.id, gone.id]);
        assert!(block_on(fixture.store.retry_poisoned(again.id)).unwrap());
        assert!(block_on(fixture.store.forget_poisoned(gone.id)).unwrap());
        for event in [again.id, gone.id, other.id] {
            assert!(!block_on(fixture.store.retry_poisoned(event)).unwrap());
            assert!(!block_on(fixture.store.forget_poisoned(event)).unwrap());
        }
        assert!(ids(&fixture).is_empty());
        let pending: Vec<_> = fixture.store.pending().unwrap().iter().map(|event| (event.id, event.deaths)).collect();
        assert_eq!(pending, [(again.id, 0), (other.id, 0)]);
        assert_eq!(fixture.store.queued(again.id).unwrap().unwrap().body, again.body);
    }
}
