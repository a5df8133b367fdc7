//! Why something could not be read or stored.

use std::path::PathBuf;
use std::sync::Arc;

use crate::model::EventId;

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
    /// What lies there cannot be the database, or cannot be used as one.
    #[error("the database file {} cannot be used: {why}", .path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why not, and what to do.
        why: String,
    },
    /// A file that is open lies no longer where it was: what is stored there would be gone when the server ends.
    #[error(
        "{} is not the file that the server has open: {why}; put that one back, or restart the server to go on with what is there",
        .path.display()
    )]
    Moved {
        /// The file.
        path: PathBuf,
        /// What became of it.
        why: &'static str,
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
    #[error(
        "the database {} cannot be read: {why}; stop the server and put back a copy of it, save what can be read (`sqlite3 {} .recover | \
         sqlite3 saved.db`), or move it away to begin anew",
        .path.display(),
        .path.display()
    )]
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
    #[error("some of what event {event} did could not be stored")]
    Unstored {
        /// The event.
        event: EventId,
        /// Because nothing can be stored at present: see [`StoreError::is_trouble`].
        trouble: bool,
    },
    /// What an operation was given or found is not what it must be.
    #[error("{0}")]
    Invalid(String),
    /// The store is closing or its thread is gone.
    #[error("the store is closed")]
    Closed,
}

impl StoreError {
    /// What a full disk says, for the simulator.
    #[cfg(test)]
    pub(crate) fn full_disk() -> Self {
        Self::Sqlite(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None))
    }

    /// The same, in a form that many can be told.
    pub(super) fn shared(self) -> Self {
        match self {
            Self::Sqlite(error) => Self::Commit(Arc::new(error)),
            other => other,
        }
    }

    /// One more of what [`StoreError::shared`] gave.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Commit(error) => Self::Commit(Arc::clone(error)),
            Self::Panicked(why) => Self::Panicked(why.clone()),
            Self::Closed => Self::Closed,
            Self::Moved { path, why } => Self::Moved { path: path.clone(), why },
            Self::Damaged { path, why } => Self::Damaged { path: path.clone(), why: why.clone() },
            other => Self::Invalid(other.to_string()),
        }
    }
}
