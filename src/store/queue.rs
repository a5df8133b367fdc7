//! The durable queue: events that are not finished.

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use serde::de::IgnoredAny;

use super::error::StoreError;
use super::handle::Store;
use super::memory::Origin;
use super::rows::unreadable;
use super::tx::Tx;
use crate::model::{BotId, ConversationKey, EventDraft, EventId, QueuedEvent, UserId};

/// An event that is not finished, without its body.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Its id.
    pub id: EventId,
    /// Bot, channel and user.
    pub key: ConversationKey,
    /// The channel's conversation, where it has threads.
    pub thread: Option<Arc<str>>,
    /// `event.type`.
    pub kind: Arc<str>,
    /// How often a worker died while running it.
    pub deaths: u32,
    /// Made because its session's dialog has timed out.
    pub timeout: bool,
    /// Makes its session begin anew.
    pub reset: bool,
    /// How many events in a row have led to it.
    pub depth: u32,
    /// How many bytes its body has.
    pub bytes: usize,
}

impl Pending {
    /// The event with an empty body.
    pub fn without_body(self) -> QueuedEvent {
        let Self { id, key, thread, kind, deaths, timeout, reset, depth, .. } = self;
        QueuedEvent { id, key, thread, kind, body: "".into(), deaths, timeout, reset, depth }
    }
}

impl Store {
    /// Notes that a worker died while running the event.
    pub fn count_death(&self, event: EventId) {
        self.write_then(
            move |tx| tx.run("UPDATE queue SET deaths = deaths + 1 WHERE id = ?", [event.0]),
            move |outcome| {
                if let Err(error) = outcome {
                    tracing::error!("the death of a worker by event {event} could not be noted: {error}");
                }
            },
        );
    }

    /// One event that is not finished.
    pub fn queued(&self, event: EventId) -> Result<Option<QueuedEvent>, StoreError> {
        self.read(|connection| find(connection, event))
    }

    /// Events that are not finished, oldest first; [`Store::queued`] reads the rest of one. Those whose rows cannot be read are said
    /// and set aside, and stand in nobody's way.
    pub fn pending(&self) -> Result<Vec<Pending>, StoreError> {
        let sql = "SELECT id, bot, channel, target, thread, kind, '', deaths, timeout, reset, depth, octet_length(body) FROM queue \
                   WHERE poison IS NULL ORDER BY id";
        let found = self.read(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([], |row| Ok((EventId(row.get(0)?), pending_of_row(row))))?;
            rows.collect::<Result<Vec<_>, _>>().map_err(StoreError::from)
        })?;
        let mut pending = Vec::with_capacity(found.len());
        for (id, row) in found {
            match row {
                Ok(event) => pending.push(event),
                Err(error) => {
                    let why = format!("its row cannot be read: {error}");
                    tracing::error!("event {id} is set aside (`nudge poisoned`): {why}");
                    self.set_aside(id, why, drop);
                }
            }
        }
        Ok(pending)
    }
}

fn pending_of_row(row: &rusqlite::Row<'_>) -> Result<Pending, rusqlite::Error> {
    let QueuedEvent { id, key, thread, kind, deaths, timeout, reset, depth, .. } = event_of_row(row)?;
    Ok(Pending { id, key, thread, kind, deaths, timeout, reset, depth, bytes: row.get(11)? })
}

/// An event that is not finished; an error where its body is none.
pub(super) fn find(connection: &Connection, event: EventId) -> Result<Option<QueuedEvent>, StoreError> {
    let sql = "SELECT id, bot, channel, target, thread, kind, body, deaths, timeout, reset, depth FROM queue \
               WHERE id = ? AND poison IS NULL";
    let found = connection.prepare_cached(sql)?.query_row([event.0], |row| {
        let event = event_of_row(row)?;
        serde_json::from_str::<IgnoredAny>(&event.body).map_err(|error| unreadable(6, error))?;
        Ok(event)
    });
    Ok(found.optional()?)
}

/// Puts an event at the end of the queue.
pub(super) fn enqueue(tx: &Tx<'_>, draft: &EventDraft, origin: Origin) -> Result<QueuedEvent, StoreError> {
    let Origin { timeout, reset } = origin;
    let event = QueuedEvent { timeout, reset, ..draft.queued(tx.next_event_id(), tx.now) };
    tx.run(
        "INSERT INTO queue (id, bot, channel, target, thread, kind, body, timeout, reset, depth) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        params![
            event.id.0,
            event.key.bot.as_str(),
            event.key.channel,
            event.key.target.as_str(),
            event.thread,
            event.kind,
            event.body,
            event.timeout,
            event.reset,
            event.depth
        ],
    )?;
    tx.memory().note_event(event.id, origin);
    Ok(event)
}

/// What is special about an event that is not finished; nothing where there is none.
pub(super) fn origin(tx: &Tx<'_>, event: EventId) -> Result<Option<Origin>, StoreError> {
    let sql = "SELECT timeout, reset FROM queue WHERE id = ? AND poison IS NULL";
    let mut statement = tx.connection.prepare_cached(sql)?;
    let origin = |row: &rusqlite::Row<'_>| Ok(Origin { timeout: row.get(0)?, reset: row.get(1)? });
    Ok(statement.query_row([event.0], origin).optional()?)
}

/// Takes an event out of the queue; whether it was there and not finished.
pub(super) fn remove(tx: &Tx<'_>, event: EventId) -> Result<bool, StoreError> {
    Ok(tx.run("DELETE FROM queue WHERE id = ? AND poison IS NULL", [event.0])? == 1)
}

/// The largest event id ever stored.
pub(super) fn last_event(connection: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT seq FROM sqlite_sequence WHERE name = 'queue'";
    let last: Option<u64> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(last.unwrap_or(0))
}

pub(super) fn event_of_row(row: &rusqlite::Row<'_>) -> Result<QueuedEvent, rusqlite::Error> {
    let text = |column: usize| row.get_ref(column)?.as_str().map(Arc::<str>::from).map_err(rusqlite::Error::from);
    Ok(QueuedEvent {
        id: EventId(row.get(0)?),
        key: ConversationKey {
            bot: BotId::parse(&text(1)?).map_err(|error| unreadable(1, error))?,
            channel: text(2)?,
            target: UserId::parse(&text(3)?).map_err(|error| unreadable(3, error))?,
        },
        thread: row.get::<_, Option<String>>(4)?.map(Arc::from),
        kind: text(5)?,
        body: text(6)?,
        deaths: row.get(7)?,
        timeout: row.get(8)?,
        reset: row.get(9)?,
        depth: row.get(10)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::ConversationTarget;
    use super::super::testing::*;
    use crate::clock::Clock;

    #[test]
    fn what_was_accepted_is_pending_after_a_restart_until_it_is_finished() {
        let fixture = Fixture::new();
        let first = fixture.accept("ann", ConversationTarget::Nowhere);
        let second = fixture.accept("bob", ConversationTarget::Nowhere);
        fixture.store.count_death(second.event.id);
        let fixture = fixture.reopen();
        let pending = fixture.store.pending().unwrap();
        assert_eq!(pending.iter().map(|event| event.id).collect::<Vec<_>>(), [first.event.id, second.event.id]);
        assert_eq!(pending[0].bytes, first.event.body.len());
        let read = fixture.store.queued(first.event.id).unwrap().unwrap();
        assert_eq!(read.body, first.event.body);
        assert_eq!(pending[0].key, first.event.key);
        assert_eq!((pending[0].deaths, pending[1].deaths), (0, 1));
        fixture.finish(&first.event, None);
        fixture.finish(&second.event, None);
        assert!(fixture.reopen().store.pending().unwrap().is_empty());
    }

    #[test]
    fn ids_rise_even_if_the_clock_goes_backwards_and_across_restarts() {
        let fixture = Fixture::new();
        let mut last = fixture.accept("ann", ConversationTarget::Nowhere).event;
        fixture.finish(&last, None);
        let fixture = fixture.reopen_with(Clock::manual(1_000));
        for _ in 0..3 {
            let next = fixture.accept("ann", ConversationTarget::Nowhere).event;
            assert!(next.id > last.id);
            assert!(next.id.0 % 100_000 < 50_000);
            last = next;
        }
    }

    #[test]
    fn ids_of_one_millisecond_leave_the_room_of_the_workers_free() {
        let fixture = Fixture::new();
        let ids = wait(|then| {
            fixture.store.write_then(|tx| Ok((0..120_000).map(|_| tx.next_event_id().0).collect::<Vec<_>>()), then);
        })
        .unwrap();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids.iter().all(|id| id % 100_000 < 50_000));
    }

    #[test]
    fn events_sent_at_once_from_many_threads_keep_the_order_of_each_thread() {
        let fixture = Fixture::new();
        let order = std::sync::Arc::new(parking_lot::Mutex::new(Vec::new()));
        std::thread::scope(|scope| {
            for thread in 0..64 {
                let (store, order) = (&fixture.store, &order);
                scope.spawn(move || {
                    for number in 0..20 {
                        let order = order.clone();
                        store.accept(
                            draft(&format!("user-{thread}")),
                            ConversationTarget::Nowhere,
                            None,
                            move |accepted| {
                                order.lock().push((thread, number, accepted.unwrap().event.id));
                            },
                        );
                    }
                });
            }
        });
        wait(|then| fixture.store.barrier(move || then(())));
        let order = order.lock();
        assert_eq!(order.len(), 64 * 20);
        assert!(order.windows(2).all(|pair| pair[0].2 < pair[1].2), "completions come in the order of the ids");
        for thread in 0..64 {
            let numbers: Vec<_> = order.iter().filter(|entry| entry.0 == thread).map(|entry| entry.1).collect();
            assert_eq!(numbers, (0..20).collect::<Vec<_>>());
        }
        let ids: Vec<_> = fixture.store.pending().unwrap().iter().map(|event| event.id).collect();
        assert_eq!(ids, order.iter().map(|entry| entry.2).collect::<Vec<_>>());
    }
}
