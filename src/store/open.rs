//! How the store is opened.

use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::checkpoint::{Checkpoints, LogLimits};
use super::connections::{IDLE_READERS, Readers, connect, connect_reader, tune};
use super::error::StoreError;
use super::handle::{Store, StoreParts};
use super::lock::{self, Lock};
use super::read_threads::{ReadThreads, THREADS};
use super::rules::Rules;
use super::state_cache::StateCache;
use super::trouble::{Health, at_start};
use super::unstored::Unstored;
use super::writer::Writer;
use super::{queue, retention, schema, short_links};
use crate::clock::Clock;

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
        let refused = |why: String| StoreError::Open { path: path.to_owned(), why };
        let lock = lock::take(path)?;
        // Made beforehand, for its owner only: it holds the application's secret. SQLite gives its side files the same mode.
        let mut options = std::fs::OpenOptions::new();
        options.create(true).append(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(path).map_err(|error| refused(error.to_string()))?;
        let connection = Connection::open(path).map_err(|error| refused(error.to_string()))?;
        Self::start(connection, lock, path, clock, rules, limits).map_err(|error| at_start(path, error))
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
        let refused = |why: String| StoreError::Open { path: path.to_owned(), why };
        // Before anything is changed of a file that is not ours.
        schema::format_of(&connection, path)?;
        tune(&connection).map_err(|error| refused(error.to_string()))?;
        schema::prepare(&connection, path)?;
        retention::prepare(&connection, &rules)?;
        short_links::prepare(&connection, clock.now(), rules.limits.link_lifetime)?;
        let last_event = queue::last_event(&connection)?;
        let readers = Readers::new(path);
        let checkpoints = Checkpoints::start(connect(path)?, &mut connection, path, limits)?;
        let states = Arc::new(StateCache::new(MOST_STATES, rules.per_bot));
        let reading = (0..THREADS).map(|_| connect_reader(path)).collect::<Result<_, _>>()?;
        let read_threads = ReadThreads::start(reading).map_err(|error| refused(error.to_string()))?;
        let health = Health::default();
        let rest = (clock.clone(), rules.clone());
        let writer = Writer::start(connection, checkpoints, rest, last_event, (Arc::clone(&states), health.clone()))
            .map_err(|error| refused(error.to_string()))?;
        let long_reads = Arc::new(Semaphore::new(IDLE_READERS));
        let unstored = Unstored::default();
        let parts =
            StoreParts { writer, readers, read_threads, states, long_reads, clock, unstored, health, rules, lock };
        Ok(Self(Arc::new(parts), None))
    }
}
