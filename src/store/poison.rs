//! Events that were set aside because workers died on them: kept, listed, and run again or forgotten where somebody says so.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::handle::Store;
use super::queue::event_of_row;
use super::rows::unreadable;
use super::{sessions, timeouts};
use crate::model::{BotId, ConversationKey, EventId, QueuedEvent, UserId};

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
                let reset = match resetting.query_row([event.0], event_of_row).optional() {
                    // Its row cannot be read, which is why it is set aside: nobody knows what it resets.
                    Err(error) if error.sqlite_error_code().is_none() => None,
                    reset => reset?,
                };
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
    let rows = statement.query_map([], |row| {
        let event = event_of_row(row).or_else(|_| unknown(EventId(row.get(0)?)))?;
        Ok(Poisoned { event, reason: row.get(11)? })
    })?;
    rows.collect::<Result<_, _>>().map_err(StoreError::from)
}

/// An event of whose row only the id can be read.
fn unknown(id: EventId) -> Result<QueuedEvent, rusqlite::Error> {
    const UNREADABLE: &str = "unreadable";
    let bot = BotId::parse(UNREADABLE).map_err(|error| unreadable(1, error))?;
    let target = UserId::parse(UNREADABLE).map_err(|error| unreadable(3, error))?;
    let key = ConversationKey { bot, channel: UNREADABLE.into(), target };
    let (kind, body) = (UNREADABLE.into(), "".into());
    Ok(QueuedEvent { id, key, thread: None, kind, body, deaths: 0, timeout: false, reset: false, depth: 0 })
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
    fn an_event_whose_row_cannot_be_read_is_set_aside_by_name_and_the_others_go_on() {
        for column in
            ["bot = x'ff'", "bot = ''", "target = x'00ff'", "deaths = 'many'", "kind = x'00ff'", "timeout = 'x'"]
        {
            let fixture = Fixture::new();
            let [ill, well] = ["ann", "bob"].map(|user| fixture.accept(user, ConversationTarget::Nowhere).event);
            let sql = format!("UPDATE queue SET {column} WHERE id = {}", ill.id);
            wait(|then| fixture.store.write_then(move |tx| tx.run(&sql, []), then)).unwrap();
            let pending: Vec<_> = fixture.store.pending().unwrap().iter().map(|event| event.id).collect();
            assert_eq!(pending, [well.id], "{column}");
            wait(|then: Then<()>| fixture.store.barrier(move || then(())));
            let poisoned = fixture.store.poisoned().unwrap();
            assert_eq!(poisoned[0].event.id, ill.id);
            assert!(poisoned[0].reason.starts_with("its row cannot be read: "), "{}", poisoned[0].reason);
        }
    }

    #[test]
    fn an_event_whose_body_is_damaged_is_an_error_to_read_and_no_damage_of_the_database() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        for body in ["char(0, 0, 0)", "substr(body, 1, 20)", "x'ffff'", "''"] {
            let sql = format!("UPDATE queue SET body = {body} WHERE id = {}", event.id);
            wait(|then| fixture.store.write_then(move |tx| tx.run(&sql, []), then)).unwrap();
            let error = fixture.store.queued(event.id).unwrap_err();
            assert!(!error.is_trouble(), "{error}");
        }
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
