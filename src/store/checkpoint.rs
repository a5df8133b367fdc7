//! Checkpoints: what stands in the write-ahead log is copied into the database, beside the writer instead of within one
//! of its commits.
//!
//! A thread with a connection of its own copies (PASSIVE) each time the log has grown by some pages. What is left after
//! that is little: the writer copies it between two transactions and begins the log anew (RESTART), which needs a moment
//! in which nobody reads from the log. While somebody reads without end the log can only grow; at its limit the writer
//! waits for the reader rather than fill the disk. A log that is large and at rest is emptied (TRUNCATE).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use rusqlite::Connection;

use super::error::StoreError;
use super::files::beside;

/// How long the writer waits for those who read just now, when it begins the log anew.
pub(super) const MOMENT: Duration = Duration::from_millis(20);
/// The same at the log's limit, each time; after that it looks whether the store is closing.
const LONG_MOMENT: Duration = Duration::from_millis(250);
/// How long the writer's connection waits for locks otherwise: whoever has one for longer is said to, and nothing is stored.
pub(super) const PATIENCE: Duration = Duration::from_secs(3);
/// So few pages left to copy are nothing.
const LITTLE: u32 = 60;
/// So often it is copied before the log begins anew.
const PASSES: u32 = 4;

/// How large the log may become, in pages of 4 KB.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogLimits {
    /// It is copied each time it has grown by so many.
    pub(super) copy: u32,
    /// From here on it is said that somebody keeps it from being begun anew.
    pub(super) warn: u32,
    /// The writer waits rather than let it become larger.
    pub(super) most: u32,
    /// A log of so many bytes is emptied when it is at rest.
    pub(super) at_rest: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { copy: 4_000, warn: 32_000, most: 256_000, at_rest: 1 << 20 }
    }
}

/// What the writer and the copying thread tell each other.
#[derive(Debug, Default)]
struct Progress {
    /// Pages in the log after the last commit.
    pages: AtomicU32,
    /// Commits so far that wrote anything.
    commits: AtomicU64,
    /// A copy is under way or ordered.
    copying: AtomicBool,
    /// A copy is done: the log can begin anew.
    copied: AtomicBool,
    /// The store closes: nobody waits for readers any more.
    closing: AtomicBool,
}

enum Order {
    Copy,
    EmptyAtRest,
    /// Whoever waits is told when it is done.
    Empty(Sender<()>),
    End,
}

/// The thread that copies. Dropping it ends the thread.
pub(super) struct Checkpoints {
    progress: Arc<Progress>,
    orders: Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpoints {
    /// Starts the thread, and gives the writer its side. `connection` is the thread's own; `writer` is the one whose
    /// commits are counted.
    pub(super) fn start(
        connection: Connection,
        writer: &mut Connection,
        database: &std::path::Path,
        limits: LogLimits,
    ) -> Result<(Self, WriterLog), StoreError> {
        // Emptying the log keeps the writer out while it waits for readers.
        connection.busy_timeout(MOMENT)?;
        let progress = Arc::new(Progress::default());
        let counted = progress.clone();
        writer.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages: i32| {
            counted.pages.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            counted.commits.fetch_add(1, Ordering::Relaxed);
            Ok(())
        }))?;
        let (orders, receiver) = unbounded();
        let file = beside(database, "-wal");
        let mut copier = Copier { connection, progress: progress.clone(), file, limits, seen: 0, ill: false };
        let work = move || copier.work(&receiver);
        let refused = |error: std::io::Error| StoreError::Open { path: database.to_owned(), why: error.to_string() };
        let thread = std::thread::Builder::new().name("store-checkpoints".into()).spawn(work).map_err(refused)?;
        let log = WriterLog {
            progress: progress.clone(),
            orders: orders.clone(),
            limits,
            next: limits.copy,
            last: 0,
            said: Said::Nothing,
        };
        Ok((Self { progress, orders, thread: Some(thread) }, log))
    }

    /// Empties the log if it is large and nothing was committed since this was called last.
    pub(super) fn empty_at_rest(&self) {
        let _ = self.orders.send(Order::EmptyAtRest);
    }

    /// Empties the log, as far as nobody reads from it any more, and waits until that is done.
    pub(super) fn empty(&self) {
        let (done, told) = crossbeam_channel::bounded(1);
        let _ = self.orders.send(Order::Empty(done));
        let _ = told.recv();
    }

    /// From now on the writer waits for no reader.
    pub(super) fn closing(&self) {
        self.progress.closing.store(true, Ordering::Relaxed);
    }
}

impl Drop for Checkpoints {
    fn drop(&mut self) {
        let _ = self.orders.send(Order::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What was said of a log that grows.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Said {
    Nothing,
    Grows,
    Full,
}

/// The writer's side of it.
pub(super) struct WriterLog {
    progress: Arc<Progress>,
    orders: Sender<Order>,
    limits: LogLimits,
    /// At how many pages the next copy is ordered.
    next: u32,
    /// Pages at the last look.
    last: u32,
    said: Said,
}

impl WriterLog {
    /// How often the writer has committed anything so far.
    pub(super) fn commits(&self) -> u64 {
        self.progress.commits.load(Ordering::Relaxed)
    }

    /// To be called between two transactions.
    pub(super) fn committed(&mut self, connection: &Connection) {
        let pages = self.progress.pages.load(Ordering::Relaxed);
        if pages < self.last {
            // The other side has emptied it.
            self.begun_anew();
        }
        self.last = pages;
        if pages >= self.limits.most {
            self.wait_for_readers(connection, pages);
        } else if self.progress.copied.swap(false, Ordering::Acquire) {
            match restart(connection, MOMENT) {
                true => self.begun_anew(),
                false => self.next = pages.saturating_add(self.limits.copy),
            }
            self.progress.copying.store(false, Ordering::Release);
            if pages >= self.limits.warn && self.said < Said::Grows {
                self.said = Said::Grows;
                tracing::warn!(
                    "the log beside the database has {} MB and cannot begin anew while something reads from it for so \
                     long; end that (a backup, an open SQL shell?)",
                    megabytes(pages)
                );
            }
        } else if pages >= self.next && !self.progress.copying.swap(true, Ordering::AcqRel) {
            let _ = self.orders.send(Order::Copy);
        }
    }

    /// Begins the log anew however long that takes, so that it does not fill the disk.
    fn wait_for_readers(&mut self, connection: &Connection, pages: u32) {
        while !restart(connection, LONG_MOMENT) {
            if self.said < Said::Full {
                self.said = Said::Full;
                tracing::error!(
                    "the log beside the database has {} MB, the most that it may have, because something reads from the \
                     database without end (a backup, an open SQL shell?): nothing is stored until that ends",
                    megabytes(pages)
                );
            }
            if self.progress.closing.load(Ordering::Relaxed) {
                return;
            }
        }
        self.begun_anew();
    }

    fn begun_anew(&mut self) {
        self.next = self.limits.copy;
        self.last = 0;
        self.said = Said::Nothing;
    }
}

/// Copies all that stands in the log into the database, and leaves nothing in the log, as far as that can be: from here on the
/// database is whole by itself, for those who move or copy it.
pub(super) fn settle(connection: &Connection) {
    let outcome = connection.busy_timeout(LONG_MOMENT).and_then(|()| checkpoint(connection, "TRUNCATE"));
    let restored = connection.busy_timeout(PATIENCE);
    if let Err(error) = outcome.and(restored) {
        tracing::warn!("the log of the database could not be copied into it: {error}; move or copy both files");
    }
}

/// Copies what is left and lets the next transaction write at the log's beginning; whether that was possible.
fn restart(connection: &Connection, patience: Duration) -> bool {
    let outcome = connection.busy_timeout(patience).and_then(|()| checkpoint(connection, "RESTART"));
    let restored = connection.busy_timeout(PATIENCE);
    match outcome.and_then(|outcome| restored.map(|()| outcome)) {
        Ok(done) => !done.busy,
        Err(error) => {
            tracing::error!("the log beside the database could not begin anew: {error}; check the disk");
            // Waiting does not help: the next commit tells whether it can go on.
            true
        }
    }
}

/// What came of a checkpoint.
struct Checkpoint {
    /// Somebody kept it from being done wholly.
    busy: bool,
    /// Pages in the log, and how many of them are copied.
    pages: u32,
    copied: u32,
}

fn checkpoint(connection: &Connection, mode: &str) -> Result<Checkpoint, rusqlite::Error> {
    let mut statement = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    statement.query_row([], |row| {
        // -1 where there is no log.
        let pages = |column| row.get(column).map(|pages: i64| u32::try_from(pages).unwrap_or(0));
        Ok(Checkpoint { busy: row.get(0)?, pages: pages(1)?, copied: pages(2)? })
    })
}

fn megabytes(pages: u32) -> u32 {
    pages / 256
}

/// The thread's side of it.
struct Copier {
    connection: Connection,
    progress: Arc<Progress>,
    /// The log.
    file: PathBuf,
    limits: LogLimits,
    /// Commits when it was looked last whether the log is at rest.
    seen: u64,
    /// The last copy failed, and that was said.
    ill: bool,
}

impl Copier {
    fn work(&mut self, orders: &Receiver<Order>) {
        while let Ok(order) = orders.recv() {
            match order {
                Order::Copy => self.copy(),
                Order::EmptyAtRest => self.empty_at_rest(),
                Order::Empty(done) => {
                    settle(&self.connection);
                    let _ = done.send(());
                }
                Order::End => return,
            }
        }
    }

    /// Copies until little is left, or nothing more can be copied because somebody reads. Not for ever: the writer may be
    /// faster.
    fn copy(&mut self) {
        let mut before = 0;
        for _ in 0..PASSES {
            match checkpoint(&self.connection, "PASSIVE") {
                Ok(Checkpoint { pages, copied, .. }) => {
                    self.ill = false;
                    if pages.saturating_sub(copied) <= LITTLE || copied <= before {
                        break;
                    }
                    before = copied;
                }
                Err(error) => {
                    self.failed(&error);
                    break;
                }
            }
        }
        self.progress.copied.store(true, Ordering::Release);
    }

    fn empty_at_rest(&mut self) {
        let commits = self.progress.commits.load(Ordering::Relaxed);
        let rests = std::mem::replace(&mut self.seen, commits) == commits;
        let large = std::fs::metadata(&self.file).is_ok_and(|file| file.len() >= self.limits.at_rest);
        if rests
            && large
            && let Err(error) = checkpoint(&self.connection, "TRUNCATE")
        {
            self.failed(&error);
        }
    }

    fn failed(&mut self, error: &rusqlite::Error) {
        if !std::mem::replace(&mut self.ill, true) {
            tracing::error!("the log of the database cannot be copied into it: {error}; check the disk");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ConversationTarget;
    use super::super::testing::*;
    use super::super::tx::Tx;
    use super::*;

    /// Bytes of a page in the log.
    const PAGE: u64 = 4_096 + 24;

    const LIMITS: LogLimits = LogLimits { copy: 40, warn: 80, most: 120, at_rest: 1 };

    fn log(fixture: &Fixture) -> u64 {
        let mut path = fixture.path().into_os_string();
        path.push("-wal");
        std::fs::metadata(path).map_or(0, |file| file.len())
    }

    /// About five pages.
    fn write(tx: &Tx<'_>, number: u64) -> Result<(), StoreError> {
        let name = format!("name {number}");
        tx.run("INSERT INTO secrets (name, value) VALUES (?, ?)", [&name, &"x".repeat(16_000)]).map(drop)
    }

    #[test]
    fn the_log_is_copied_beside_the_writer_and_begins_anew() {
        let fixture = Fixture::limited(LIMITS);
        let (mut largest, mut number) = (0, 0);
        // Over and over: however slow the copying thread is, the log has its end.
        while number < 400 {
            wait(|then| fixture.store.write_then(move |tx| write(tx, number), then)).unwrap();
            largest = largest.max(log(&fixture));
            number += 1;
        }
        assert!(largest <= (u64::from(LIMITS.most) + 20) * PAGE, "{largest}");
        let fixture = fixture.reopen();
        let count = "SELECT count(*) FROM secrets WHERE length(value) = 16000";
        let stored: u64 =
            fixture.store.read(|connection| Ok(connection.query_row(count, [], |row| row.get(0))?)).unwrap();
        assert_eq!(stored, number);
    }

    /// A log that somebody's reading keeps from beginning anew, at its limit.
    fn full() -> (Fixture, Connection) {
        let fixture = Fixture::limited(LIMITS);
        fixture.accept("ann", ConversationTarget::Nowhere);
        let reader = Connection::open(fixture.path()).unwrap();
        reader.execute_batch("BEGIN; SELECT count(*) FROM users;").unwrap();
        let mut number = 0;
        while log(&fixture) < u64::from(LIMITS.most) * PAGE {
            wait(|then| fixture.store.write_then(move |tx| write(tx, number), then)).unwrap();
            number += 1;
            assert!(number < 100, "the log does not grow");
        }
        (fixture, reader)
    }

    #[test]
    fn while_somebody_reads_without_end_the_log_grows_to_its_limit_and_what_is_to_be_stored_waits() {
        let (fixture, reader) = full();
        let (sender, receiver) = unbounded();
        for number in 1_000..1_050 {
            let sender = sender.clone();
            fixture.store.write_then(move |tx| write(tx, number), move |outcome| sender.send(outcome.is_ok()).unwrap());
        }
        drop(sender);
        assert!(receiver.try_recv().is_err());
        assert!(log(&fixture) <= (u64::from(LIMITS.most) + 20) * PAGE);
        drop(reader);
        assert_eq!(receiver.iter().filter(|fine| *fine).count(), 50, "all is stored when the reader has gone");
    }

    #[test]
    fn a_store_that_closes_waits_for_no_reader() {
        let (fixture, reader) = full();
        let (sender, receiver) = unbounded();
        fixture.store.write_then(|tx| write(tx, 1_000), move |outcome| sender.send(outcome.is_ok()).unwrap());
        let fixture = fixture.reopen();
        assert!(receiver.recv().unwrap());
        drop(reader);
        fixture.accept("bob", ConversationTarget::Nowhere);
    }

    #[test]
    fn a_log_at_rest_is_emptied() {
        let fixture = Fixture::limited(LIMITS);
        fixture.accept("ann", ConversationTarget::Nowhere);
        assert!(log(&fixture) > 0);
        while log(&fixture) > 0 {
            fixture.store.forget_expired().unwrap();
            fixture.store.0.writer.checkpoints.empty_at_rest();
            std::thread::yield_now();
        }
        fixture.accept("bob", ConversationTarget::Nowhere);
        assert_eq!(fixture.reopen().store.pending().unwrap().len(), 2);
    }
}
