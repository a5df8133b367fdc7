//! Connections to the database: their settings, and those that are kept for reading.

use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::checkpoint::PATIENCE;
use super::error::StoreError;

/// Idle reading connections; one more is opened whenever all are busy.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

/// As many idle connections are kept.
pub(super) const IDLE_READERS: usize = 8;

/// A connection on loan; it goes home when dropped.
pub(super) struct Reader<'r> {
    pub(super) connection: Option<Connection>,
    home: &'r Readers,
}

impl Readers {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::new(Vec::new()) }
    }

    pub(super) fn take(&self) -> Result<Reader<'_>, StoreError> {
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
pub(super) fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    tune(&connection)?;
    Ok(connection)
}

/// Opens one that only reads.
pub(super) fn connect_reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    // There are several; what they read lies in the system's cache as well.
    connection.pragma_update(None, "cache_size", -4_000)?;
    Ok(connection)
}

/// The settings that all share.
pub(super) fn tune(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(PATIENCE)?;
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
