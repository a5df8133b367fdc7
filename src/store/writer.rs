//! The writer: one thread, one connection, many operations a transaction (group commit).
//!
//! While one commit waits for the disk, operations gather; the next transaction takes them all, so throughput rises with
//! load while a lone operation is committed at once. Each operation runs in a savepoint: when it fails or panics, its
//! changes alone are undone. When the transaction itself fails, every operation in it is told so.

use std::any::Any;
use std::cell::{Cell, RefCell, RefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};
use rusqlite::Connection;

use super::checkpoint::{Checkpoints, WriterLog};
use super::error::StoreError;
use super::memory::Memory;
use super::rules::Rules;
use super::state_cache::{PartKey, StateCache, StateChanged, StatePart};
use crate::clock::Clock;
use crate::model::EventId;

/// Most operations in one transaction: bounds how long the first one waits for the last.
const BATCH: usize = 256;

/// Low parts of event ids from here on belong to the workers.
const SERVER_IDS: u64 = 50_000;

/// Ids of one millisecond.
const IDS_PER_MS: u64 = 100_000;

/// What an operation works with: the connection, inside the transaction, and what the writer keeps in memory.
pub(super) struct Tx<'w> {
    pub(super) connection: &'w Connection,
    /// Milliseconds since the epoch; the same for the whole transaction, never less than in the one before.
    pub(super) now: u64,
    pub(super) rules: &'w Rules,
    last_event: &'w Cell<u64>,
    memory: &'w RefCell<Memory>,
    changes: &'w RefCell<Vec<StateChanged>>,
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
    fn forget(&self, mark: Mark) {
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

    fn statement(&self, sql: &str) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Runs a statement, prepared once, and gives the number of rows it changed.
    pub(super) fn run(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize, StoreError> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
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

/// One operation on its way: run, then told the outcome after the commit.
pub(super) trait Submitted: Send {
    /// Runs the operation; whether its changes are to be kept.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    /// Makes the outcome an error, unless it is one already.
    fn fail(&mut self, error: StoreError);
    /// Tells the outcome.
    fn tell(self: Box<Self>);
}

/// Operation, outcome and completion in one allocation.
struct Operation<T, Op, Then> {
    op: Option<Op>,
    outcome: Option<Result<T, StoreError>>,
    then: Then,
}

impl<T, Op, Then> Submitted for Operation<T, Op, Then>
where
    T: Send,
    Op: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send,
    Then: FnOnce(Result<T, StoreError>) + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let outcome = self.op.take().map_or(Err(StoreError::Closed), |op| op(tx));
        let fine = outcome.is_ok();
        self.outcome = Some(outcome);
        fine
    }

    fn fail(&mut self, error: StoreError) {
        if !matches!(self.outcome, Some(Err(_))) {
            self.outcome = Some(Err(error));
        }
    }

    fn tell(self: Box<Self>) {
        let Self { outcome, then, .. } = *self;
        then(outcome.unwrap_or(Err(StoreError::Closed)));
    }
}

/// The sending end of the writer's thread; dropping it commits what was submitted and ends the thread.
pub(super) struct Writer {
    jobs: Option<Sender<Box<dyn Submitted>>>,
    thread: Option<JoinHandle<()>>,
    pub(super) checkpoints: Checkpoints,
}

impl Writer {
    /// Starts the thread. `last_event` is the largest event id ever stored; `checkpoints` copies the log of this
    /// connection, `log` is the writer's side of it.
    pub(super) fn start(
        connection: Connection,
        (checkpoints, log): (Checkpoints, WriterLog),
        (clock, rules): (Clock, Rules),
        last_event: u64,
        states: Arc<StateCache>,
    ) -> std::io::Result<Self> {
        let (sender, receiver) = unbounded();
        let work = move || {
            let mut writer = WriterThread {
                connection,
                log,
                clock,
                rules,
                now: 0,
                last_event: Cell::new(last_event),
                memory: RefCell::default(),
                changes: RefCell::default(),
                states,
            };
            writer.work(&receiver);
        };
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(work)?;
        Ok(Self { jobs: Some(sender), thread: Some(thread), checkpoints })
    }

    /// Puts an operation in line.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        op: impl FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        self.submit_boxed(Box::new(Operation { op: Some(op), outcome: None, then }));
    }

    /// Puts an operation in line that has a way of its own.
    pub(super) fn submit_boxed(&self, job: Box<dyn Submitted>) {
        let refused = match &self.jobs {
            Some(jobs) => jobs.send(job).err().map(|unsent| unsent.0),
            None => Some(job),
        };
        if let Some(job) = refused {
            job.tell();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.checkpoints.closing();
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // The last handle may be dropped by a completion, on the writer's own thread: it ends by itself then.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

struct WriterThread {
    connection: Connection,
    log: WriterLog,
    clock: Clock,
    rules: Rules,
    now: u64,
    last_event: Cell<u64>,
    memory: RefCell<Memory>,
    /// What the transaction under way changes of states.
    changes: RefCell<Vec<StateChanged>>,
    states: Arc<StateCache>,
}

impl WriterThread {
    fn work(&mut self, jobs: &Receiver<Box<dyn Submitted>>) {
        let mut batch: Vec<Box<dyn Submitted>> = Vec::with_capacity(BATCH);
        while let Ok(first) = jobs.recv() {
            batch.push(first);
            while batch.len() < BATCH
                && let Ok(next) = jobs.try_recv()
            {
                batch.push(next);
            }
            self.now = self.clock.now().max(self.now);
            while !batch.is_empty() {
                let done = self.transaction(&mut batch);
                for job in batch.drain(..done) {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job.tell())) {
                        tracing::error!("a completion of a store operation panicked: {}", panic_text(panic.as_ref()));
                    }
                }
                self.log.committed(&self.connection);
            }
        }
    }

    /// Runs operations in one transaction and commits it. Gives how many have their outcome: all, unless SQLite threw the
    /// transaction away on the way (a full disk, for example); the rest then needs another one.
    fn transaction(&self, jobs: &mut [Box<dyn Submitted>]) -> usize {
        if let Err(error) = self.statement("BEGIN IMMEDIATE") {
            fail_all(jobs, error);
            return jobs.len();
        }
        let Self { connection, now, rules, last_event, memory, changes, .. } = self;
        let tx = Tx { connection, now: *now, rules, last_event, memory, changes };
        for at in 0..jobs.len() {
            self.run(&tx, jobs[at].as_mut());
            if self.connection.is_autocommit() {
                self.nothing_is_stored();
                fail_all(&mut jobs[..=at], lost());
                return at + 1;
            }
        }
        self.states.unsure(&self.changes.borrow());
        if let Err(error) = self.statement("COMMIT") {
            if !self.connection.is_autocommit()
                && let Err(error) = self.statement("ROLLBACK")
            {
                tracing::error!("the database could not roll back: {error}");
            }
            tracing::error!("the database could not commit {} operations: {error}", jobs.len());
            self.nothing_is_stored();
            fail_all(jobs, error);
        }
        self.memory.borrow_mut().committed();
        self.states.committed(self.changes.borrow_mut().drain(..));
        jobs.len()
    }

    /// What the transaction has noted is not so.
    fn nothing_is_stored(&self) {
        self.memory.borrow_mut().undo(0);
        self.changes.borrow_mut().clear();
    }

    /// Runs one operation in its savepoint.
    fn run(&self, tx: &Tx<'_>, job: &mut dyn Submitted) {
        if let Err(error) = self.statement("SAVEPOINT operation") {
            job.fail(error.into());
            return;
        }
        let mark = tx.mark();
        let keep = catch_unwind(AssertUnwindSafe(|| job.run(tx))).unwrap_or_else(|panic| {
            job.fail(StoreError::Panicked(panic_text(panic.as_ref())));
            false
        });
        if !keep {
            tx.forget(mark);
        }
        let undone = if keep { Ok(()) } else { self.statement("ROLLBACK TO operation") };
        if let Err(error) = undone.and_then(|()| self.statement("RELEASE operation")) {
            // A half-done operation must not be committed with its neighbours: all are given up.
            tracing::error!("the database could not close a savepoint: {error}");
            job.fail(error.into());
            let _ = self.statement("ROLLBACK");
        }
    }

    fn statement(&self, sql: &str) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

fn fail_all(jobs: &mut [Box<dyn Submitted>], error: rusqlite::Error) {
    let error = Arc::new(error);
    for job in jobs {
        job.fail(StoreError::Commit(error.clone()));
    }
}

/// Some operation made SQLite roll back the transaction.
fn lost() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT),
        Some("the transaction was rolled back because one of its operations failed".into()),
    )
}

pub(super) fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

#[cfg(test)]
mod tests {
    use super::super::ConversationTarget;
    use super::super::testing::*;
    use super::*;

    /// Holds the writer up until the guard is dropped, so that what is submitted meanwhile is one transaction.
    fn hold(fixture: &Fixture) -> Sender<()> {
        let (sender, receiver) = unbounded::<()>();
        let (entered, inside) = unbounded();
        fixture.store.write_then(
            move |_| {
                let _ = entered.send(());
                let _ = receiver.recv();
                Ok(())
            },
            drop,
        );
        inside.recv().unwrap();
        sender
    }

    fn put(tx: &Tx<'_>, name: &str) -> Result<(), StoreError> {
        tx.run("INSERT INTO secrets (name, value) VALUES (?, '')", [name]).map(drop)
    }

    fn stored(fixture: &Fixture) -> Vec<String> {
        let read = fixture.store.read(|connection| {
            let mut statement = connection.prepare("SELECT name FROM secrets ORDER BY name")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect::<Result<_, _>>().map_err(StoreError::from)
        });
        read.unwrap()
    }

    #[test]
    fn a_failing_operation_is_undone_and_harms_no_neighbour() {
        let fixture = Fixture::new();
        let held = hold(&fixture);
        let (sender, receiver) = unbounded();
        for number in 0..9 {
            let sender = sender.clone();
            let op = move |tx: &Tx<'_>| {
                put(tx, &format!("name {number}"))?;
                match number % 3 {
                    0 => Ok(()),
                    1 => Err(StoreError::Invalid("no".into())),
                    _ => panic!("oh dear"),
                }
            };
            fixture
                .store
                .write_then(op, move |outcome| sender.send((number, outcome.map_err(|e| e.to_string()))).unwrap());
        }
        drop((held, sender));
        let outcomes: Vec<_> = receiver.iter().collect();
        assert_eq!(outcomes.iter().map(|(number, _)| *number).collect::<Vec<_>>(), (0..9).collect::<Vec<_>>());
        assert_eq!(outcomes[0].1, Ok(()));
        assert_eq!(outcomes[1].1, Err("no".into()));
        assert_eq!(outcomes[2].1, Err("a store operation panicked: oh dear; please report this".into()));
        assert_eq!(stored(&fixture), ["name 0", "name 3", "name 6"]);
    }

    #[test]
    fn a_failed_commit_fails_every_operation_of_the_batch_and_the_next_one_works() {
        let fixture = Fixture::new();
        let tables = "CREATE TABLE parents (id INTEGER PRIMARY KEY); \
                      CREATE TABLE children (p REFERENCES parents DEFERRABLE INITIALLY DEFERRED)";
        wait(|then| fixture.store.write_then(|tx| Ok(tx.connection.execute_batch(tables)?), then)).unwrap();
        let held = hold(&fixture);
        let (sender, receiver) = unbounded();
        for number in 0..3 {
            let sender = sender.clone();
            let op = move |tx: &Tx<'_>| match number {
                1 => tx.run("INSERT INTO children (p) VALUES (7)", []).map(drop),
                _ => put(tx, &format!("name {number}")),
            };
            fixture.store.write_then(op, move |outcome| sender.send(outcome).unwrap());
        }
        drop((held, sender));
        let outcomes: Vec<_> = receiver.iter().collect();
        assert_eq!(outcomes.len(), 3);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(StoreError::Commit(_)))), "{outcomes:?}");
        assert!(stored(&fixture).is_empty());
        wait(|then| fixture.store.write_then(|tx| put(tx, "later"), then)).unwrap();
        assert_eq!(stored(&fixture), ["later"]);
    }

    #[test]
    fn when_a_transaction_is_lost_on_the_way_nothing_of_it_counts_as_stored() {
        let fixture = Fixture::new();
        let held = hold(&fixture);
        let (sender, receiver) = unbounded();
        for number in 0..3 {
            let sender = sender.clone();
            let op = move |tx: &Tx<'_>| match number {
                1 => Ok(tx.connection.execute_batch("ROLLBACK")?),
                _ => put(tx, &format!("name {number}")),
            };
            fixture.store.write_then(op, move |outcome| sender.send(outcome.is_ok()).unwrap());
        }
        drop((held, sender));
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [false, false, true]);
        assert_eq!(stored(&fixture), ["name 2"]);
    }

    #[test]
    fn a_completion_that_panics_does_not_end_the_writer() {
        let fixture = Fixture::new();
        fixture.store.write_then(|_| Ok(()), |_: Result<(), StoreError>| panic!("in a completion"));
        assert!(fixture.accept("ann", ConversationTarget::Nowhere).event.id.0 > 0);
    }

    #[test]
    fn what_was_submitted_is_committed_when_the_last_handle_goes_even_if_a_completion_holds_it() {
        let fixture = Fixture::new();
        let (sender, receiver) = unbounded();
        let store = fixture.store.clone();
        fixture.store.write_then(
            |tx| put(tx, "kept"),
            move |outcome| {
                sender.send(outcome.is_ok()).unwrap();
                drop(store);
            },
        );
        let fixture = fixture.reopen();
        assert!(receiver.recv().unwrap());
        assert_eq!(stored(&fixture), ["kept"]);
    }
}
