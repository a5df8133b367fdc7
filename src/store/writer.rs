//! The writer: one thread, one connection, many operations a transaction (group commit).
//!
//! While one commit waits for the disk, operations gather; the next transaction takes them all, or a fair part of them
//! (`fair_queue`), so throughput rises with load while a lone operation is committed at once. When an operation fails or panics,
//! its changes alone are undone: either each runs in a savepoint, or all of them without, and once more with savepoints where one
//! of them fails. When the transaction itself fails, every operation in it is told so.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use rusqlite::Connection;

use super::checkpoint::{self, Checkpoints, MOMENT, PATIENCE, WriterLog};
use super::error::StoreError;
use super::fair_queue::{FairQueue, Job};
use super::files::OpenFiles;
use super::memory::Memory;
use super::operations::Submitted;
use super::rules::Rules;
use super::state_cache::{StateCache, StateChanged};
use super::trouble::{CALM, Health, Watch};
use super::tx::{Tx, lost, panic_text};
use crate::clock::Clock;

/// After a failure so many transactions run with savepoints.
const CAREFUL: u32 = 16;

/// The sending end of the writer's thread; dropping it commits what was submitted and ends the thread.
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
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
        (states, health, files): (Arc<StateCache>, Health, OpenFiles),
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
                watch: Watch::new(health),
                files,
                away: false,
                careful: 0,
                look: Instant::now(),
            };
            writer.work(&receiver);
        };
        let thread = std::thread::Builder::new().name("store-writer".into()).spawn(work)?;
        Ok(Self { jobs: Some(sender), thread: Some(thread), checkpoints })
    }

    /// Puts an operation in line.
    pub(super) fn submit(&self, job: Job) {
        let refused = match &self.jobs {
            Some(jobs) => jobs.send(job).err().map(|unsent| unsent.0),
            None => Some(job),
        };
        if let Some(job) = refused {
            job.op.tell();
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
    watch: Watch,
    files: OpenFiles,
    /// The files did not lie in their place when that was looked at last.
    away: bool,
    /// So many transactions run with savepoints.
    careful: u32,
    /// When to try next whether anything can be stored, while it cannot.
    look: Instant,
}

impl WriterThread {
    fn work(&mut self, jobs: &Receiver<Job>) {
        let (mut queue, mut batch) = (FairQueue::default(), Vec::new());
        loop {
            let first = match queue.is_empty() {
                true => match self.next(jobs) {
                    Some(first) => Some(first),
                    None => return,
                },
                false => None,
            };
            if self.watch.waits() && self.look <= Instant::now() {
                self.look();
                self.look = Instant::now() + CALM;
            }
            queue.gather(first, jobs, &mut batch);
            self.now = self.clock.now().max(self.now);
            while !batch.is_empty() {
                let before = self.log.commits();
                let done = self.transaction_of_files(&mut batch);
                self.look_after(&batch[..done], self.log.commits() > before);
                for job in batch.drain(..done) {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| job.tell())) {
                        tracing::error!("a completion of a store operation panicked: {}", panic_text(panic.as_ref()));
                    }
                }
                self.log.committed(&self.connection);
            }
        }
    }

    /// Waits for the next operation; meanwhile it may be time to see whether all is well again.
    fn next(&mut self, jobs: &Receiver<Job>) -> Option<Job> {
        while self.watch.waits() {
            // Also where there is always something to do: what writes nothing proves nothing.
            if self.look > Instant::now() {
                match jobs.recv_deadline(self.look) {
                    Ok(job) => return Some(job),
                    Err(RecvTimeoutError::Disconnected) => return None,
                    Err(RecvTimeoutError::Timeout) => {}
                }
            }
            self.look();
            self.look = Instant::now() + CALM;
        }
        jobs.recv().ok()
    }

    /// A transaction, and whether its files are still those that the next start finds: what was committed to others is not said
    /// to be stored. It may be there, if they come back: as after a crash between the commit and the word of it.
    fn transaction_of_files(&mut self, jobs: &mut [Box<dyn Submitted>]) -> usize {
        if let Some(error) = self.refusal() {
            fail_all(jobs, error);
            return jobs.len();
        }
        let before = self.log.commits();
        let done = self.transaction(jobs);
        if self.log.commits() > before
            && let Err(error) = self.files.are_there()
        {
            self.away = true;
            checkpoint::settle(&self.connection);
            fail_all(&mut jobs[..done], error);
        }
        done
    }

    /// Why nothing may be written at all.
    fn refusal(&mut self) -> Option<StoreError> {
        if let Some(damage) = self.watch.damage() {
            return Some(damage);
        }
        let away = if self.away { self.files.are_there().err() } else { None };
        self.away = away.is_some();
        away
    }

    /// Sees whether something can be stored again: nobody else may ever try.
    fn look(&mut self) {
        self.now = self.clock.now().max(self.now);
        let mut stored = false;
        if let Some(error) = self.refusal() {
            self.watch.still(&error);
        } else if self.watch.is_in_trouble() {
            let before = self.log.commits();
            match self.write_nothing_new() {
                Ok(()) => stored = self.log.commits() > before,
                Err(error) => self.watch.still(&error.into()),
            }
            self.log.committed(&self.connection);
        }
        let said = if stored { self.watch.stored(self.now) } else { self.watch.over(self.now) };
        if let Some(said) = said {
            tracing::warn!("{said}");
        }
    }

    /// A transaction that writes and changes nothing.
    fn write_nothing_new(&self) -> Result<(), rusqlite::Error> {
        self.begin()?;
        if let Err(error) = touch(&self.connection) {
            self.roll_back();
            return Err(error);
        }
        self.commit()
    }

    /// Says when nothing can be stored, and when it can again.
    fn look_after(&mut self, jobs: &[Box<dyn Submitted>], written: bool) {
        let mut failed = false;
        if !self.watch.waits() {
            self.look = Instant::now() + CALM;
        }
        for error in jobs.iter().filter_map(|job| job.error()) {
            failed |= error.is_trouble();
            if let Some(said) = self.watch.failed(self.now, error) {
                tracing::error!("{said}");
            }
        }
        if written
            && !failed
            && let Some(said) = self.watch.stored(self.now)
        {
            tracing::warn!("{said}");
        }
    }

    /// Runs operations in one transaction and commits it. Gives how many have their outcome: all, unless SQLite threw the
    /// transaction away on the way (a full disk, for example); the rest then needs another one.
    fn transaction(&mut self, jobs: &mut [Box<dyn Submitted>]) -> usize {
        if self.careful == 0 && jobs.iter().all(|job| job.repeats()) {
            match self.attempt(jobs) {
                Ok(true) => return jobs.len(),
                Ok(false) => {}
                Err(error) => {
                    fail_all(jobs, StoreError::Commit(error.into()));
                    return jobs.len();
                }
            }
            // Whatever failed may do so again and again: others do not run twice for each of it.
            self.careful = CAREFUL;
        }
        self.careful = self.careful.saturating_sub(1);
        if let Err(error) = self.begin() {
            fail_all(jobs, StoreError::Commit(error.into()));
            return jobs.len();
        }
        for at in 0..jobs.len() {
            self.run(jobs[at].as_mut());
            if self.connection.is_autocommit() {
                self.nothing_is_stored();
                fail_all(&mut jobs[..=at], StoreError::Commit(lost().into()));
                return at + 1;
            }
        }
        if let Err(error) = self.commit() {
            fail_all(jobs, StoreError::Commit(error.into()));
        }
        jobs.len()
    }

    /// Runs operations without savepoints, which cost as much as what most of them do, and commits them; whether all were
    /// done. Otherwise nothing was, and they are to run with savepoints. An error: not even a transaction can begin.
    fn attempt(&self, jobs: &mut [Box<dyn Submitted>]) -> Result<bool, rusqlite::Error> {
        self.begin()?;
        let tx = self.tx();
        let done = jobs.iter_mut().all(|job| catch_unwind(AssertUnwindSafe(|| job.attempt(&tx))).unwrap_or(false));
        if done && !self.connection.is_autocommit() {
            return Ok(self.commit().is_ok());
        }
        self.nothing_is_stored();
        self.roll_back();
        Ok(false)
    }

    /// Begins a transaction. While nothing can be stored, nobody waits for another program that may hold the database for ever.
    fn begin(&self) -> Result<(), rusqlite::Error> {
        let hurried = self.watch.is_in_trouble();
        if hurried {
            self.connection.busy_timeout(MOMENT)?;
        }
        let begun = self.statement("BEGIN IMMEDIATE");
        if hurried {
            self.connection.busy_timeout(PATIENCE)?;
        }
        begun
    }

    /// Commits, and tells of it what is kept in memory. After an error nothing of the transaction is left.
    fn commit(&self) -> Result<(), rusqlite::Error> {
        self.states.unsure(&self.changes.borrow());
        let outcome = self.statement("COMMIT");
        if outcome.is_err() {
            self.roll_back();
            self.nothing_is_stored();
        }
        self.memory.borrow_mut().committed();
        self.states.committed(self.changes.borrow_mut().drain(..));
        outcome
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit()
            && let Err(error) = self.statement("ROLLBACK")
        {
            tracing::error!("the database could not roll back: {error}");
        }
    }

    fn tx(&self) -> Tx<'_> {
        let Self { connection, now, rules, last_event, memory, changes, .. } = self;
        Tx { connection, now: *now, rules, last_event, memory, changes }
    }

    /// What the transaction has noted is not so.
    fn nothing_is_stored(&self) {
        self.memory.borrow_mut().undo(0);
        self.changes.borrow_mut().clear();
    }

    /// Runs one operation in its savepoint.
    fn run(&self, job: &mut dyn Submitted) {
        let tx = self.tx();
        if let Err(error) = self.statement("SAVEPOINT operation") {
            job.fail(error.into());
            return;
        }
        let mark = tx.mark();
        let keep = catch_unwind(AssertUnwindSafe(|| job.run(&tx))).unwrap_or_else(|panic| {
            job.fail(StoreError::Panicked(panic_text(panic.as_ref())));
            false
        });
        if !keep {
            tx.forget(mark);
        }
        let undone = if keep { Ok(()) } else { self.statement("ROLLBACK TO operation") };
        if let Err(error) = undone.and_then(|()| self.statement("RELEASE operation")) {
            // A half-done operation must not be committed with its neighbours: all are given up.
            job.fail(error.into());
            let _ = self.statement("ROLLBACK");
        }
    }

    fn statement(&self, sql: &str) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }
}

/// Writes the file's first page as it is: SQLite writes that however little has changed.
pub(super) fn touch(connection: &Connection) -> Result<(), rusqlite::Error> {
    let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    connection.pragma_update(None, "user_version", format)
}

fn fail_all(jobs: &mut [Box<dyn Submitted>], error: StoreError) {
    for job in jobs {
        job.fail(error.again());
    }
}

#[cfg(test)]
mod tests;
