//! A look at a database from outside, for commands: a server may have it open meanwhile. Nothing is written, no lock is taken.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::poison::{self, Poisoned};
use super::{files, schema, secrets};

/// How long to wait for another process that is just writing.
const BUSY: Duration = Duration::from_secs(10);

/// A database that is only looked at.
pub struct Peek(Connection);

impl fmt::Debug for Peek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peek").finish_non_exhaustive()
    }
}

impl Peek {
    /// Opens the database; `None` if there is none, or nothing is in it yet.
    pub fn open(path: &Path) -> Result<Option<Self>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        files::look(path)?;
        let refused = |error: rusqlite::Error| StoreError::Open { path: path.to_owned(), why: error.to_string() };
        // Not read-only: SQLite may have to make the index of the log that another process writes.
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(refused)?;
        connection.busy_timeout(BUSY)?;
        if schema::format_of(&connection, path)? == 0 {
            return Ok(None);
        }
        connection.pragma_update(None, "query_only", true)?;
        Ok(Some(Self(connection)))
    }

    /// The secret for signatures and tokens, if one was made.
    pub fn app_secret(&self) -> Result<Option<String>, StoreError> {
        secrets::stored(&self.0)
    }

    /// Events that were set aside, oldest first, without their bodies.
    pub fn poisoned(&self) -> Result<Vec<Poisoned>, StoreError> {
        poison::list(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fixture, wait};
    use super::super::{ConversationTarget, Store};
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn a_database_is_looked_at_while_a_server_has_it() {
        let fixture = Fixture::new();
        let path = fixture.path();
        assert_eq!(Peek::open(&path).unwrap().unwrap().app_secret().unwrap(), None);
        let secret = fixture.store.app_secret().unwrap();
        let event = fixture.accept("ann", ConversationTarget::Nowhere).event;
        wait(|then| fixture.store.set_aside(event.id, "killed two workers".into(), then)).unwrap();
        let peek = Peek::open(&path).unwrap().unwrap();
        assert_eq!(peek.app_secret().unwrap(), Some(secret));
        let poisoned = peek.poisoned().unwrap();
        assert_eq!(poisoned[0].event.id, event.id);
        assert_eq!(poisoned[0].event.body.len(), 0);
    }

    #[test]
    fn nothing_is_made_where_there_is_nothing_and_a_later_format_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        assert!(Peek::open(&path).unwrap().is_none());
        assert!(!path.exists());
        std::fs::write(&path, "").unwrap();
        assert!(Peek::open(&path).unwrap().is_none());
        std::fs::remove_file(&path).unwrap();
        drop(Store::open(&path, Clock::system()).unwrap());
        Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(Peek::open(&path), Err(StoreError::Newer { found: 99, .. })));
    }
}
