//! One server a database: two would each run the events that wait in it.
//!
//! The lock lies in a file beside the database, so that it never meets SQLite's own, and the system gives it up when the
//! process ends, however that happens.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use super::advice::of_system;
use super::error::StoreError;
use super::files::beside;

/// How long to wait for a server that is about to end.
const PATIENCE: Duration = Duration::from_secs(1);
const NAP: Duration = Duration::from_millis(10);

/// The lock; it is given up when this is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Takes the lock of a database. `None` where the file system knows no locks: that is logged and goes on without.
pub(super) fn take(database: &Path) -> Result<Option<Lock>, StoreError> {
    let path = beside(database, "-lock");
    let refused = |error: std::io::Error| StoreError::Unusable { path: path.clone(), why: of_system(&error, database) };
    let mut options = OpenOptions::new();
    options.create(true).read(true).write(true).truncate(false);
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path).map_err(refused)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(NAP),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who has it is good to know, not more.
                let _ = file.read_to_string(&mut text);
                return Err(StoreError::InUse { path: database.to_owned(), by: text.trim().parse().ok() });
            }
            Err(TryLockError::Error(error)) => {
                tracing::warn!(
                    "{} cannot be locked: {error}; make sure that no other server has this folder",
                    path.display()
                );
                return Ok(None);
            }
        }
    }
    let said = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    said.map_err(refused)?;
    Ok(Some(Lock { _file: file }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::Store;

    #[test]
    fn a_database_belongs_to_one_server_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        let first = Store::open(&path, Clock::system()).unwrap();
        let Err(error) = Store::open(&path, Clock::system()) else { panic!("two servers have one database") };
        assert!(matches!(error, StoreError::InUse { by: Some(pid), .. } if pid == std::process::id()), "{error}");
        assert!(error.to_string().contains("is in use by another server (process "), "{error}");
        drop(first);
        Store::open(&path, Clock::system()).unwrap();
    }
}
