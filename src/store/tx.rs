//! What an operation on the writer's thread works with.

use std::any::Any;
use std::cell::{Cell, RefCell, RefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rusqlite::Connection;

use super::error::StoreError;
use super::memory::Memory;
use super::rules::Rules;
use super::state_cache::{PartKey, StateChanged, StatePart};
use crate::model::EventId;

/// Low parts of event ids from here on belong to the workers.
const SERVER_IDS: u64 = EventId::OF_QUEUE;

/// Ids of one millisecond.
const IDS_PER_MS: u64 = EventId::PER_MS;

/// The newest thing that is stored has a time by so many milliseconds after that of the last id, at most.
pub(super) const UNNOTED: u64 = 100;

/// What an operation works with: the connection, inside the transaction, and what the writer keeps in memory.
pub(super) struct Tx<'w> {
    pub(super) connection: &'w Connection,
    /// Milliseconds since the epoch; the same for the whole transaction, never less than in the one before.
    pub(super) now: u64,
    pub(super) rules: &'w Rules,
    pub(super) last_event: &'w Cell<u64>,
    pub(super) memory: &'w RefCell<Memory>,
    pub(super) changes: &'w RefCell<Vec<StateChanged>>,
}

/// How far an operation has come.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    noted: usize,
    changes: usize,
}

impl Tx<'_> {
    /// Notes a change of what a state is read from.
    pub(super) fn changed(&self, key: PartKey, part: Option<StatePart>) {
        self.changes.borrow_mut().push(StateChanged::Part(key, part));
    }

    /// The variables of bots change, of whichever.
    pub(super) fn all_bots_changed(&self) {
        self.changes.borrow_mut().push(StateChanged::AllBots);
    }

    /// What was noted since then is not so.
    pub(super) fn forget(&self, mark: Mark) {
        self.memory().undo(mark.noted);
        self.changes.borrow_mut().truncate(mark.changes);
    }

    /// What the writer remembers. Not to be held while anything else is done.
    pub(super) fn memory(&self) -> RefMut<'_, Memory> {
        self.memory.borrow_mut()
    }

    /// How far the operation has come, for [`Tx::start_over`].
    pub(super) fn mark(&self) -> Mark {
        Mark { noted: self.memory().mark(), changes: self.changes.borrow().len() }
    }

    /// Undoes all that the operation has done.
    pub(super) fn start_over(&self, mark: Mark) -> Result<(), StoreError> {
        self.forget(mark);
        Ok(self.statement("ROLLBACK TO operation")?)
    }

    /// Runs a part of an operation, which may fail or panic alone.
    pub(super) fn part<T>(&self, op: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.connection.is_autocommit() {
            return Err(lost().into());
        }
        self.statement("SAVEPOINT part")?;
        let mark = self.mark();
        let outcome = catch_unwind(AssertUnwindSafe(op))
            .unwrap_or_else(|panic| Err(StoreError::Panicked(panic_text(panic.as_ref()))));
        if outcome.is_err() {
            self.forget(mark);
            self.statement("ROLLBACK TO part")?;
        }
        self.statement("RELEASE part")?;
        outcome
    }

    pub(super) fn statement(&self, sql: &str) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Runs a statement, prepared once, and gives the number of rows it changed.
    pub(super) fn run(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }

    /// Notes that something is stored which has its place by the time. The ids of events say how late it is, which the next start
    /// reads; where none was given for a while, that is noted in their place.
    pub(super) fn note_time(&self) -> Result<(), StoreError> {
        if self.now.saturating_sub(self.last_event.get() / IDS_PER_MS) < UNNOTED {
            return Ok(());
        }
        let id = self.now.saturating_mul(IDS_PER_MS);
        if self.run("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'queue'", [id])? == 0 {
            self.run("INSERT INTO sqlite_sequence (name, seq) VALUES ('queue', ?)", [id])?;
        }
        self.last_event.set(id);
        Ok(())
    }

    /// An id above every id given before, in this run and in earlier ones, even if the clock went backwards.
    pub(super) fn next_event_id(&self) -> EventId {
        let last = self.last_event.get();
        let fresh = self.now * IDS_PER_MS;
        let mut id = last + 1;
        if fresh > last {
            // A random start within the millisecond, as ids of the original have; most of its room stays free.
            id = fresh + u64::from(rand::random::<u16>() >> 3);
        } else if id % IDS_PER_MS >= SERVER_IDS {
            id = (id / IDS_PER_MS + 1) * IDS_PER_MS;
        }
        self.last_event.set(id);
        EventId(id)
    }
}

/// Some operation made SQLite roll back the transaction.
pub(super) fn lost() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT),
        Some("the transaction was rolled back because one of its operations failed".into()),
    )
}

pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
