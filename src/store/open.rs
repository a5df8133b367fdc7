//! How the store is opened.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::advice::of_system;
use super::checkpoint::{Checkpoints, LogLimits, PATIENCE};
use super::connections::{IDLE_READERS, Readers, connect, connect_reader, tune};
use super::error::StoreError;
use super::files::{self, OpenFiles};
use super::handle::{Store, StoreParts};
use super::inspection::{self, Inspection};
use super::lock::{self, Lock};
use super::read_threads::{ReadThreads, THREADS};
use super::rules::Rules;
use super::state_cache::StateCache;
use super::trouble::{Health, at_start};
use super::tx::UNNOTED;
use super::unstored::Unstored;
use super::writer::Writer;
use super::{queue, retention, schema, short_links};
use crate::clock::Clock;
use crate::model::EventId;

/// Bytes of states that are kept in memory.
const MOST_STATES: usize = 32 << 20;

impl Store {
    /// Opens the database file, makes it if there is none, and brings it to the present format.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, StoreError> {
        Self::open_with(path, clock, Rules::default())
    }

    /// Like [`Store::open`], with configured rules.
    pub fn open_with(path: &Path, clock: Clock, rules: Rules) -> Result<Self, StoreError> {
        Self::open_limited(path, clock, rules, LogLimits::default())
    }

    /// With a limit of the log, for tests.
    pub(super) fn open_limited(path: &Path, clock: Clock, rules: Rules, limits: LogLimits) -> Result<Self, StoreError> {
        files::look(path)?;
        let lock = lock::take(path)?;
        // Made beforehand, for its owner only: it holds the application's secret. SQLite gives its side files the same mode.
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let made = options.open(path);
        made.map_err(|error| StoreError::Unusable { path: path.to_owned(), why: of_system(&error, path) })?;
        let opened = Connection::open(path).map_err(StoreError::from);
        let started = opened.and_then(|connection| Self::start(connection, lock, path, clock, rules, limits));
        started.map_err(|error| at_start(path, error))
    }

    /// Starts what belongs to the connection of the writer.
    pub(super) fn start(
        mut connection: Connection,
        lock: Option<Lock>,
        path: &Path,
        clock: Clock,
        rules: Rules,
        limits: LogLimits,
    ) -> Result<Self, StoreError> {
        let no_thread = |error: std::io::Error| StoreError::Open { path: path.to_owned(), why: error.to_string() };
        connection.busy_timeout(PATIENCE)?;
        // Before anything is changed of a file that is not ours.
        schema::format_of(&connection, path)?;
        tune(&connection)?;
        let whole = inspection::inspect(&mut connection, path, inspection::AT_START, &Arc::default())?;
        schema::prepare(&connection, path)?;
        retention::prepare(&connection, &rules)?;
        short_links::prepare(&connection, clock.now(), rules.limits.link_lifetime)?;
        let last_event = queue::last_event(&connection)?;
        // Times of this run come after those of earlier ones, whatever was done to the machine's clock meanwhile.
        clock.not_before(latest(last_event));
        let files = OpenFiles::of(path);
        let readers = Readers::new(path, files.clone())?;
        let checkpoints = Checkpoints::start(connect(path)?, &mut connection, path, limits)?;
        let states = Arc::new(StateCache::new(MOST_STATES, rules.per_bot));
        let reading = (0..THREADS).map(|_| connect_reader(path)).collect::<Result<_, _>>()?;
        let read_threads = ReadThreads::start(reading).map_err(no_thread)?;
        let health = Health::of(path);
        let inspection = match whole {
            true => None,
            false => Some(Inspection::start(path, health.clone(), clock.clone())?),
        };
        let rest = (clock.clone(), rules.clone());
        let shared = (Arc::clone(&states), health.clone(), files);
        let writer = Writer::start(connection, checkpoints, rest, last_event, shared).map_err(no_thread)?;
        let long_reads = Arc::new(Semaphore::new(IDLE_READERS));
        let unstored = Unstored::default();
        let parts = StoreParts {
            writer,
            readers,
            read_threads,
            states,
            long_reads,
            clock,
            unstored,
            health,
            rules,
            inspection,
            lock,
        };
        Ok(Self(Arc::new(parts), None))
    }
}

/// The latest time that anything may have which is stored, in milliseconds since the epoch, by the last id of an event.
fn latest(last_event: u64) -> u64 {
    match last_event {
        0 => 0,
        id => id / EventId::PER_MS + UNNOTED,
    }
}
