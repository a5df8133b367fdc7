//! Connections to the database: their settings, and those that are kept for reading.

use std::path::{Path, PathBuf};

use parking_lot::{Condvar, Mutex};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::checkpoint::PATIENCE;
use super::error::StoreError;
use super::files::OpenFiles;

/// Idle reading connections; one more is opened whenever all are busy.
pub(super) struct Readers {
    path: PathBuf,
    files: OpenFiles,
    /// The connections that nobody reads with, and how many there are in all.
    idle: Mutex<(Vec<Connection>, usize)>,
    returned: Condvar,
}

/// As many idle connections are kept.
pub(super) const IDLE_READERS: usize = 8;

/// A connection on loan; it goes home when dropped.
pub(super) struct Reader<'r> {
    pub(super) connection: Option<Connection>,
    home: &'r Readers,
}

impl Readers {
    /// One is opened at once: it is there however few files may be open later.
    pub(super) fn new(path: &Path, files: OpenFiles) -> Result<Self, StoreError> {
        let idle = Mutex::new((vec![connect_reader(path)?], 1));
        Ok(Self { path: path.to_owned(), files, idle, returned: Condvar::new() })
    }

    /// A connection to read with. Where no other one can be opened it waits for one that reads.
    pub(super) fn take(&self) -> Result<Reader<'_>, StoreError> {
        let mut idle = self.idle.lock();
        if let Some(connection) = idle.0.pop() {
            return Ok(Reader { connection: Some(connection), home: self });
        }
        idle.1 += 1;
        drop(idle);
        let opened = self.open();
        let mut idle = self.idle.lock();
        match opened {
            Ok(connection) => return Ok(Reader { connection: Some(connection), home: self }),
            // All others may be gone meanwhile.
            Err(error) => {
                idle.1 -= 1;
                if !wants_files(&error) || idle.1 == 0 {
                    return Err(error);
                }
            }
        }
        loop {
            if let Some(connection) = idle.0.pop() {
                return Ok(Reader { connection: Some(connection), home: self });
            }
            self.returned.wait(&mut idle);
        }
    }

    /// Another connection, to the files that the others have as well and to no others.
    fn open(&self) -> Result<Connection, StoreError> {
        self.files.are_there()?;
        let connection = connect_reader(&self.path)?;
        self.files.are_there()?;
        Ok(connection)
    }
}

/// Whether the process has as many files open as it may.
fn wants_files(error: &StoreError) -> bool {
    matches!(error, StoreError::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::CannotOpen))
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let mut idle = self.home.idle.lock();
            if idle.0.len() < IDLE_READERS {
                idle.0.push(connection);
                self.home.returned.notify_one();
            } else {
                idle.1 -= 1;
            }
        }
    }
}

/// Opens a connection with the settings that all share. No file is made: there is one.
pub(super) fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
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
