//! What is wrong with the disk or the file where SQLite cannot go on, and what to do: in words, by name, and with what the system
//! says of it.

use std::fmt::Write as _;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::{ErrorCode, ffi};

use super::error::StoreError;
use super::files::beside;

/// A disk with fewer bytes than that is as good as full: SQLite grows its log's index by so many.
const LITTLE: u64 = 64 << 10;

/// With fewer files than that a server may come to its limit.
const FEW_FILES: u64 = 512;

/// What to do where the system refuses.
const RIGHTS: &str =
    "see that the file, those beside it and its folder may be written to, and that the disk is not read-only";

/// What SQLite could not do, by its extended code.
const FAILURES: &[(i32, &str)] = &[
    (ffi::SQLITE_IOERR_READ, "it cannot be read"),
    (ffi::SQLITE_IOERR_SHORT_READ, "it ends too early"),
    (ffi::SQLITE_IOERR_WRITE, "it cannot be written to"),
    (ffi::SQLITE_IOERR_FSYNC, "what was written does not reach the disk"),
    (ffi::SQLITE_IOERR_DIR_FSYNC, "its folder does not reach the disk"),
    (ffi::SQLITE_IOERR_TRUNCATE, "it cannot be cut"),
    (ffi::SQLITE_IOERR_FSTAT, "it cannot be looked at"),
    (ffi::SQLITE_IOERR_LOCK, "it cannot be locked"),
    (ffi::SQLITE_IOERR_NOMEM, "there is no memory left"),
    (ffi::SQLITE_IOERR_SHMOPEN, "the index of its log (`-shm`) cannot be opened"),
    (ffi::SQLITE_IOERR_SHMSIZE, "there is no room for the index of its log (`-shm`)"),
    (ffi::SQLITE_IOERR_SHMMAP, "the index of its log (`-shm`) cannot be mapped"),
    (ffi::SQLITE_IOERR_SHMLOCK, "the index of its log (`-shm`) cannot be locked"),
    (ffi::SQLITE_READONLY_DIRECTORY, "its folder may not be written to"),
    (ffi::SQLITE_READONLY_DBMOVED, "it was moved"),
];

/// What SQLite says, where it is SQLite that failed.
fn failure(error: &StoreError) -> Option<&rusqlite::Error> {
    match error {
        StoreError::Sqlite(error) => Some(error),
        StoreError::Commit(error) => Some(error),
        _ => None,
    }
}

impl StoreError {
    /// Whether the database or its disk refuses whatever it is asked to store: that is said by the store itself, once.
    pub fn is_trouble(&self) -> bool {
        let code = failure(self).and_then(rusqlite::Error::sqlite_error_code);
        match self {
            Self::Moved { .. } | Self::Damaged { .. } => true,
            // That a neighbour lost the transaction is no reason of its own.
            _ => code.is_some_and(|code| code == ErrorCode::OperationAborted || what_to_do(code).is_some()),
        }
    }

    /// Whether the database itself is damaged.
    pub(super) fn is_damage(&self) -> bool {
        let code = failure(self).and_then(rusqlite::Error::sqlite_error_code);
        matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
    }
}

/// What is to be looked at.
enum Look {
    Room,
    Rights,
    Locks,
    Damage,
}

fn what_to_do(code: ErrorCode) -> Option<Look> {
    match code {
        ErrorCode::DiskFull | ErrorCode::SystemIoFailure => Some(Look::Room),
        ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied => Some(Look::Rights),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Some(Look::Locks),
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Some(Look::Damage),
        _ => None,
    }
}

/// What is wrong and what to do, where it is the database or its disk that is at fault.
pub(super) fn advice(error: &StoreError, database: &Path) -> Option<String> {
    if let StoreError::Moved { .. } | StoreError::Damaged { .. } = error {
        return Some(error.to_string());
    }
    let sqlite = failure(error)?;
    let rusqlite::Error::SqliteFailure(failure, _) = sqlite else { return None };
    let what_to_do = match what_to_do(failure.code)? {
        Look::Room => room(database),
        Look::Rights => format!("{RIGHTS}{}", few_files()),
        Look::Locks => match holders(database) {
            holders if holders.is_empty() => "end the program that holds it locked".into(),
            holders => format!("end the program that holds it locked: {holders}"),
        },
        Look::Damage => "stop the server and put back a copy of it".into(),
    };
    let code = failure.extended_code;
    let words = FAILURES.iter().find(|(known, _)| *known == code).map(|(_, words)| *words);
    Some(match words {
        Some(words) => format!("{words} (SQLite's code {code}); {what_to_do}"),
        None if failure.code == ErrorCode::SystemIoFailure => {
            format!("the disk does not do what it must (SQLite's code {code}); {what_to_do}")
        }
        None => format!("{sqlite}; {what_to_do}"),
    })
}

/// What the system says of a file that cannot be opened or written to, and what to do.
pub(super) fn of_system(error: &io::Error, database: &Path) -> String {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            format!("{error}; {}", room(database))
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => format!("{error}; {RIGHTS}"),
        _ if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => {
            format!("{error}; let the server open more files (`ulimit -n`)")
        }
        _ => format!("{error}; check that the folder exists and may be written to"),
    }
}

/// What keeps files from growing, as far as the system tells.
fn room(database: &Path) -> String {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found = String::new();
    // Writing to a string cannot fail.
    if let Some(limit) = rustix::process::getrlimit(rustix::process::Resource::Fsize).current {
        let _ = write!(found, "no file may have more than {limit} bytes: raise that limit (`ulimit -f`); ");
    }
    match rustix::fs::statvfs(folder) {
        Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < LITTLE => {
            let left = disk.f_bavail.saturating_mul(disk.f_frsize) >> 10;
            let _ = write!(found, "the disk of {} is full ({left} KB left): make room on its disk; ", folder.display());
        }
        Ok(disk) if disk.f_files > 0 && disk.f_favail == 0 => {
            let _ = write!(found, "the disk of {} can hold no more files: remove some; ", folder.display());
        }
        Ok(_) | Err(_) => {}
    }
    match found.strip_suffix("; ") {
        Some(found) => found.to_owned(),
        None => {
            "make room on its disk, or see whether it is ill and whether files may grow (`ulimit -f`, quotas)".into()
        }
    }
}

/// SQLite says the same where the process may open no more files.
fn few_files() -> String {
    match rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
        Some(most) if most < FEW_FILES => format!("; or let the server open more than {most} files (`ulimit -n`)"),
        _ => String::new(),
    }
}

/// The other processes that have a lock on the database or on its log, as far as the system tells.
fn holders(database: &Path) -> String {
    let places = ["", "-shm"].map(|suffix| beside(database, suffix).metadata().ok());
    let files: Vec<u64> = places.iter().flatten().map(MetadataExt::ino).collect();
    let Ok(locks) = std::fs::read_to_string("/proc/locks") else { return String::new() };
    let mut found: Vec<String> =
        holding(&locks, &files).filter(|process| *process != std::process::id()).map(named).collect();
    found.dedup();
    found.join(", ")
}

/// The processes that have locks to write on one of those files, by the system's list of locks.
fn holding(locks: &str, files: &[u64]) -> impl Iterator<Item = u32> {
    // `1: POSIX  ADVISORY  WRITE 1234 fe:01:131 120 120`; who waits for one has an arrow there.
    locks.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "POSIX", _, "WRITE", process, file, ..] = words[..] else { return None };
        let file: u64 = file.rsplit(':').next()?.parse().ok()?;
        files.contains(&file).then(|| process.parse().ok()).flatten()
    })
}

fn named(process: u32) -> String {
    match std::fs::read_to_string(format!("/proc/{process}/comm")) {
        Ok(name) => format!("{} (process {process})", name.trim_end()),
        Err(_) => format!("process {process}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: i32) -> Option<String> {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        advice(&StoreError::Sqlite(error), Path::new("/tmp/data.db"))
    }

    #[test]
    fn every_failure_of_the_disk_is_said_in_words_and_with_what_to_do() {
        for (code, words) in FAILURES {
            let said = of(*code).unwrap();
            assert!(said.starts_with(words) && said.contains("; "), "{said}");
        }
        let said = of(ffi::SQLITE_IOERR_SHMSIZE).unwrap();
        assert!(said.contains("no room for the index of its log") && said.contains("make room on its disk"), "{said}");
        assert!(of(ffi::SQLITE_IOERR_ROLLBACK_ATOMIC).unwrap().starts_with("the disk does not do what it must"));
        assert!(of(ffi::SQLITE_FULL).unwrap().contains("make room on its disk"));
        assert!(of(ffi::SQLITE_BUSY).unwrap().contains("end the program that holds it locked"));
        assert!(of(ffi::SQLITE_CORRUPT).unwrap().contains("put back a copy"));
        assert_eq!(of(ffi::SQLITE_CONSTRAINT), None);
    }

    #[test]
    fn whoever_has_a_lock_to_write_is_found_in_the_systems_list() {
        let locks = "1: POSIX  ADVISORY  WRITE 12 fe:01:131 120 120\n\
                     1: -> POSIX  ADVISORY  WRITE 13 fe:01:131 120 120\n\
                     2: POSIX  ADVISORY  READ  14 fe:01:131 123 123\n\
                     3: FLOCK  ADVISORY  WRITE 15 fe:01:131 0 EOF\n\
                     4: POSIX  ADVISORY  WRITE 16 fe:01:132 0 EOF\n\
                     5: nonsense\n";
        assert_eq!(holding(locks, &[131]).collect::<Vec<_>>(), [12]);
        assert_eq!(holding(locks, &[132, 131]).collect::<Vec<_>>(), [12, 16]);
        assert_eq!(named(u32::MAX), format!("process {}", u32::MAX));
    }
}
