//! The store: everything that must survive a crash, in one SQLite file. SQL appears only here and in `store/`.
//!
//! One thread writes (`writer`); operations that wait are committed together, so the price of an fsync is shared. A
//! completion runs after the COMMIT, in order of submission, on that thread: who is told "stored" can rely on it. Reads
//! run where they are asked for, on connections of their own, and see what was committed before.

mod accept;
mod begin;
mod checkpoint;
mod conversations;
mod follow_ups;
mod history;
mod kvs;
mod listing;
mod lock;
mod memory;
mod messages;
mod peek;
mod poison;
mod queue;
mod replies;
mod retention;
mod retention_marks;
mod rows;
mod schema;
mod secrets;
mod sessions;
mod settle;
mod state_cache;
#[cfg(test)]
pub(crate) mod testing;
mod timeouts;
mod timestamp;
mod transcript;
mod unstored;
mod users;
mod writer;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::{Semaphore, oneshot};

use crate::clock::Clock;
use crate::model::EventId;

pub use accept::{Accepted, ConversationTarget};
pub use begin::Begun;
use checkpoint::{Checkpoints, LogLimits};
pub use follow_ups::FollowUp;
pub use history::{Ahead, Undelivered};
pub use kvs::Expiry;
pub use listing::{Conversation, ConversationRow};
pub use messages::{OutgoingMessage, StoredMessage, UserMessage};
pub use peek::Peek;
pub use poison::Poisoned;
pub use queue::Pending;
pub use replies::Reply;
pub use sessions::Lifetimes;
pub use settle::{BatchEffect, EffectOutcome, EventBatch, EventEnd, Settlement};
use state_cache::StateCache;
pub use timeouts::{DueSession, TimedOut};
pub use timestamp::Timestamp;
pub use transcript::Transcript;
pub use users::{Attributes, NewUser, UserRow};
use writer::Tx;

/// Why something could not be read or stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or made.
    #[error("cannot open the database {}: {why}; check that the folder exists and may be written to", .path.display())]
    Open {
        /// The database file.
        path: PathBuf,
        /// What the system or SQLite says.
        why: String,
    },
    /// Another server has the file.
    #[error("the database {} is in use by another server{}; stop that one first, or serve another folder", .path.display(), by.map(|pid| format!(" (process {pid})")).unwrap_or_default())]
    InUse {
        /// The database file.
        path: PathBuf,
        /// The other server's process, if it says.
        by: Option<u32>,
    },
    /// The file was written by a later version.
    #[error("the database {} has format {found}, this build knows formats up to {known}; use a newer build", .path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: usize,
        /// The last format that this build knows.
        known: usize,
    },
    /// The file is no database, or not any more.
    #[error("the database {} cannot be read: {why}; put back a copy of it, or move it away to begin anew", .path.display())]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
    /// The file is a database of something else.
    #[error("{} is a database of another program; move it away, or serve another folder", .path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// SQLite refused one operation.
    #[error("the database refused the operation: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The transaction of this operation and its neighbours could not be committed: nothing of it is stored.
    #[error("the database could not commit: {0}; check the disk")]
    Commit(Arc<rusqlite::Error>),
    /// No such conversation of that bot and user (`BP_CONV_NOT_FOUND`).
    #[error("conversation \"{0}\" not found - BP_CONV_NOT_FOUND")]
    ConversationNotFound(i64),
    /// The user has as many conversations already as one may have.
    #[error("a user can have {0} conversations at most")]
    TooManyConversations(usize),
    /// The operation itself panicked; its changes were undone.
    #[error("a store operation panicked: {0}; please report this")]
    Panicked(String),
    /// Some of what the event did could not be stored: it must not end, but run again.
    #[error("some of what event {0} did could not be stored")]
    Unstored(EventId),
    /// What an operation was given or found is not what it must be.
    #[error("{0}")]
    Invalid(String),
    /// The store is closing or its thread is gone.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// The same, in a form that many can be told.
    fn shared(self) -> Self {
        match self {
            Self::Sqlite(error) => Self::Commit(Arc::new(error)),
            other => other,
        }
    }

    /// One more of what [`StoreError::shared`] gave.
    fn again(&self) -> Self {
        match self {
            Self::Commit(error) => Self::Commit(Arc::clone(error)),
            Self::Panicked(why) => Self::Panicked(why.clone()),
            Self::Closed => Self::Closed,
            other => Self::Invalid(other.to_string()),
        }
    }
}

/// How long things that are stored count, in milliseconds, the same for all bots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// `channel-web` `recentConversationLifetime`: a conversation heard that recently is gone on with.
    pub recent_conversation: u64,
    /// `dataRetention.policies`: attributes of users that are forgotten that long after they were written.
    pub retention: BTreeMap<String, u64>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { recent_conversation: 6 * 3_600_000, retention: BTreeMap::new() }
    }
}

/// When a read takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// On the caller's thread, now: it sees what is committed.
    AtOnce,
    /// In line with the writes: it sees all that were submitted before, none that are submitted later.
    AfterWrites,
}

/// A cheap handle to the store. When the last one is dropped, what was submitted is committed and the file is closed.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    writer: writer::Writer,
    readers: Readers,
    begins: begin::Begins,
    states: Arc<StateCache>,
    /// Turns of reads that may take long.
    long_reads: Arc<Semaphore>,
    clock: Clock,
    unstored: unstored::Unstored,
    rules: Rules,
    /// Last, so that it is given up when the file is closed.
    _lock: Option<lock::Lock>,
}

impl Store {
    /// Opens the database file, makes it if there is none, and brings it to the present format.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, StoreError> {
        Self::open_with(path, clock, Rules::default())
    }

    /// Like [`Store::open`], with configured rules.
    pub fn open_with(path: &Path, clock: Clock, rules: Rules) -> Result<Self, StoreError> {
        Self::open_limited(path, clock, rules, LogLimits::default())
    }

    fn open_limited(path: &Path, clock: Clock, rules: Rules, limits: LogLimits) -> Result<Self, StoreError> {
        let refused = |why: String| StoreError::Open { path: path.to_owned(), why };
        let lock = lock::take(path)?;
        // Made beforehand, for its owner only: it holds the application's secret. SQLite gives its side files the same mode.
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).map_err(|error| refused(error.to_string()))?;
        let connection = Connection::open(path).map_err(|error| refused(error.to_string()))?;
        Self::start(connection, lock, path, clock, rules, limits)
    }

    /// Starts what belongs to the connection of the writer.
    fn start(
        mut connection: Connection,
        lock: Option<lock::Lock>,
        path: &Path,
        clock: Clock,
        rules: Rules,
        limits: LogLimits,
    ) -> Result<Self, StoreError> {
        let refused = |why: String| StoreError::Open { path: path.to_owned(), why };
        // Before anything is changed of a file that is not ours.
        schema::format_of(&connection, path)?;
        tune(&connection).map_err(|error| refused(error.to_string()))?;
        schema::prepare(&connection, path)?;
        retention::prepare(&connection, &rules)?;
        let last_event = queue::last_event(&connection)?;
        let readers = Readers { path: path.to_owned(), idle: Mutex::new(Vec::new()) };
        let checkpoints = Checkpoints::start(connect(path)?, &mut connection, path, limits)?;
        let states = Arc::new(StateCache::new(MOST_STATES));
        let reading = (0..begin::THREADS).map(|_| connect_reader(path)).collect::<Result<_, _>>()?;
        let begins = begin::Begins::start(reading).map_err(|error| refused(error.to_string()))?;
        let rest = (clock.clone(), rules.clone());
        let writer = writer::Writer::start(connection, checkpoints, rest, last_event, Arc::clone(&states))
            .map_err(|error| refused(error.to_string()))?;
        let long_reads = Arc::new(Semaphore::new(IDLE_READERS));
        let unstored = unstored::Unstored::default();
        Ok(Self(Arc::new(Inner { writer, readers, begins, states, long_reads, clock, unstored, rules, _lock: lock })))
    }

    /// Runs `op` in the writer's next transaction, and `then` on the writer's thread after the commit. `then` must be
    /// tiny: every other operation waits for it.
    fn write_then<T: Send + 'static>(
        &self,
        op: impl FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        self.0.writer.submit(op, then);
    }

    /// Submits `op` at once; the future is ready when it is committed.
    fn write<T, Op>(&self, op: Op) -> impl Future<Output = Result<T, StoreError>> + Send + 'static + use<T, Op>
    where
        T: Send + 'static,
        Op: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (sender, receiver) = oneshot::channel();
        self.write_then(op, move |result| {
            // Who no longer waits does not need the answer.
            let _ = sender.send(result);
        });
        async move { receiver.await.unwrap_or(Err(StoreError::Closed)) }
    }

    /// Reads on a connection of its own, on the caller's thread.
    fn read<T>(&self, op: impl FnOnce(&Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let reader = self.0.readers.take()?;
        reader.connection.as_ref().map_or(Err(StoreError::Closed), op)
    }

    /// Runs reads that may take long on a thread made for waiting; a few at a time, each has a connection of its own.
    pub async fn beside<T: Send + 'static>(
        &self,
        op: impl FnOnce(&Self) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = Arc::clone(&self.0.long_reads).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let store = self.clone();
        let running = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            op(&store)
        });
        running.await.unwrap_or_else(|error| Err(StoreError::Panicked(error.to_string())))
    }

    /// Reads at once, or in the writer's order where earlier writes of the caller may not be committed yet.
    fn query<T: Send + 'static>(
        &self,
        order: Order,
        op: impl FnOnce(&Connection, u64) -> Result<T, StoreError> + Send + 'static,
        then: impl FnOnce(Result<T, StoreError>) + Send + 'static,
    ) {
        match order {
            Order::AtOnce => {
                let now = self.now();
                then(self.read(|connection| op(connection, now)));
            }
            Order::AfterWrites => self.write_then(|tx| op(tx.connection, tx.now), then),
        }
    }

    /// Runs `then` on the writer's thread after everything submitted before is committed (or has failed).
    pub fn barrier(&self, then: impl FnOnce() + Send + 'static) {
        self.write_then(|_| Ok(()), |_: Result<(), StoreError>| then());
    }

    /// The time by which things are stored and expire.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn now(&self) -> u64 {
        self.0.clock.now()
    }

    /// Does something at once and then each `every` of the clock, for as long as this is polled.
    async fn each(
        &self,
        every: Duration,
        what: &str,
        op: impl Fn(&Self) -> Result<(), StoreError> + Copy + Send + 'static,
    ) {
        let every = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        loop {
            let next = self.now().saturating_add(every);
            if let Err(error) = self.beside(op).await {
                tracing::warn!("{what} could not be looked for: {error}");
            }
            self.0.clock.sleep_until(next).await;
        }
    }
}

/// Idle reading connections; one more is opened whenever all are busy.
struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// Bytes of states that are kept in memory.
const MOST_STATES: usize = 32 << 20;

/// As many idle connections are kept.
const IDLE_READERS: usize = 8;

/// A connection on loan; it goes home when dropped.
struct Reader<'r> {
    connection: Option<Connection>,
    home: &'r Readers,
}

impl Readers {
    fn take(&self) -> Result<Reader<'_>, StoreError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connect_reader(&self.path)?,
        };
        Ok(Reader { connection: Some(connection), home: self })
    }
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let mut idle = self.home.idle.lock();
            if idle.len() < IDLE_READERS {
                idle.push(connection);
            }
        }
    }
}

/// Opens a connection with the settings that all share.
fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    tune(&connection)?;
    Ok(connection)
}

/// Opens one that only reads.
fn connect_reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn tune(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(checkpoint::PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(64);
    // Plans must not depend on bound values: otherwise SQLite, built with STAT4, prepares many a cached statement anew at
    // each run, which costs more than running it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // FULL: a commit is on the disk when it returns. Sub-journals of savepoints stay in memory. No commit copies the log into
    // the database: that is done beside the writer (`checkpoint`).
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY; \
         PRAGMA cache_size = -16000; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 67108864;",
    )
}
