//! The files of the database: whether they can be one before they are opened, and whether they still lie where they were opened.

use std::fs::{FileType, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// The database itself, its log and the log's index.
const SUFFIXES: [&str; 3] = ["", "-wal", "-shm"];

/// A file of the database, by its name.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// An error if something lies where a file of the database is or will be that cannot be one. Opening it might wait for ever.
pub(super) fn look(database: &Path) -> Result<(), StoreError> {
    for suffix in SUFFIXES.into_iter().chain(["-lock"]) {
        let path = beside(database, suffix);
        let why = match path.metadata() {
            Ok(metadata) if metadata.is_file() => continue,
            Ok(metadata) => format!("it is {}, not a file; move it away", what(metadata.file_type())),
            // A link that leads nowhere: SQLite makes the file there.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => format!("{error}; see that its folder is one that the server may search"),
        };
        return Err(StoreError::Unusable { path, why });
    }
    Ok(())
}

fn what(kind: FileType) -> &'static str {
    match kind {
        kind if kind.is_dir() => "a folder",
        kind if kind.is_fifo() => "a pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_char_device() || kind.is_block_device() => "a device",
        _ => "something else",
    }
}

/// Which files are open.
#[derive(Debug, Clone)]
pub(super) struct OpenFiles(Vec<(PathBuf, Identity)>);

/// What tells a file from every other one that there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    number: u64,
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), number: metadata.ino() }
    }
}

impl OpenFiles {
    /// Those of a database that has just been opened. What is not there is not looked for later: on some file systems there is
    /// no log.
    pub(super) fn of(database: &Path) -> Self {
        let files = SUFFIXES.into_iter().map(|suffix| beside(database, suffix));
        let found = files.filter_map(|path| path.metadata().ok().map(|metadata| (path, Identity::of(&metadata))));
        Self(found.collect())
    }

    /// An error if one of them lies no longer where it was opened: what is stored from now on would be gone with the process.
    pub(super) fn are_there(&self) -> Result<(), StoreError> {
        for (path, place) in &self.0 {
            let why = match path.metadata() {
                Ok(metadata) if Identity::of(&metadata) == *place => continue,
                Ok(_) => "another file lies in its place",
                Err(error) if error.kind() == ErrorKind::NotFound => "it was deleted or moved",
                // It is there, as far as anybody knows: opened files need no permission.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => continue,
                Err(_) => "its place cannot be looked at any more",
            };
            return Err(StoreError::Moved { path: path.clone(), why });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::testing::*;
    use super::super::{ConversationTarget, Store};
    use super::*;
    use crate::clock::Clock;

    fn refused(database: &Path) -> String {
        Store::open(database, Clock::system()).err().unwrap().to_string()
    }

    #[test]
    fn what_is_no_file_is_refused_at_once_by_its_name_whichever_of_the_files_it_is() {
        for suffix in ["", "-wal", "-shm", "-lock"] {
            let folder = tempfile::tempdir().unwrap();
            let database = folder.path().join("data.db");
            let path = beside(&database, suffix);
            let said = |what: &str| {
                let error = refused(&database);
                assert!(error.contains(what) && error.contains(path.to_str().unwrap()), "{error}");
                let _ = fs::remove_dir(&path).or_else(|_| fs::remove_file(&path));
            };
            fs::create_dir(&path).unwrap();
            said("it is a folder, not a file; move it away");
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            said("it is a pipe, not a file");
            drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
            said("it is a socket, not a file");
            std::os::unix::fs::symlink("/dev/null", &path).unwrap();
            said("it is a device, not a file");
            std::os::unix::fs::symlink(&path, &path).unwrap();
            said("see that its folder is one that the server may search");
            drop(Store::open(&database, Clock::system()).unwrap());
        }
    }

    #[test]
    fn a_path_that_is_too_long_or_leads_through_a_file_is_refused_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        for path in
            ["x".repeat(300), format!("{}data.db", "y/".repeat(3_000)), "file/data.db".into(), "none/data.db".into()]
        {
            let error = refused(&folder.path().join(&path));
            assert!(error.contains(&path), "{error}");
        }
    }

    #[test]
    fn a_link_to_a_database_is_followed_and_where_it_leads_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let (link, real) = (folder.path().join("data.db"), folder.path().join("real.db"));
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let store = Store::open(&link, Clock::manual(NOW)).unwrap();
        let set = |name: &str| {
            let (user, attributes) = (name.to_owned(), serde_json::from_str("{}").unwrap());
            wait(|then| store.set_attributes("web".into(), user.as_str().into(), attributes, then))
        };
        set("ann").unwrap();
        fs::rename(&real, folder.path().join("elsewhere.db")).unwrap();
        assert!(matches!(set("bob"), Err(StoreError::Moved { .. })));
        fs::rename(folder.path().join("elsewhere.db"), &real).unwrap();
        set("cy").unwrap();
    }

    fn try_to_accept(fixture: &Fixture) -> Result<(), StoreError> {
        wait(|then| fixture.store.accept(draft("ann"), ConversationTarget::Recent, None, then)).map(drop)
    }

    #[test]
    fn nothing_is_said_to_be_stored_while_a_file_of_the_database_is_not_in_its_place_and_all_goes_on_when_it_is_back() {
        for suffix in SUFFIXES {
            let fixture = Fixture::new();
            try_to_accept(&fixture).unwrap();
            let file = beside(&fixture.path(), suffix);
            let elsewhere = beside(&fixture.path(), "-elsewhere");
            fs::rename(&file, &elsewhere).unwrap();
            for _ in 0..3 {
                let error = try_to_accept(&fixture).unwrap_err();
                assert!(error.is_trouble() && error.to_string().contains("it was deleted or moved"), "{error}");
            }
            let trouble = fixture.store.trouble().unwrap();
            assert!(trouble.why.contains(file.to_str().unwrap()), "{trouble:?}");
            fs::write(&file, "").unwrap();
            let error = try_to_accept(&fixture).unwrap_err();
            assert!(error.to_string().contains("another file lies in its place"), "{error}");
            fs::rename(&elsewhere, &file).unwrap();
            try_to_accept(&fixture).unwrap();
            assert_eq!(fixture.store.trouble(), None);
            let before = fixture.store.pending().unwrap().len();
            let fixture = fixture.reopen();
            assert_eq!(fixture.store.pending().unwrap().len(), before);
            // The one that was stored while it was seen that the file is away may be there or not; the two that were told are.
            assert!(before >= 2, "{before} with {suffix}");
        }
    }

    #[test]
    fn what_was_stored_before_the_files_were_deleted_is_in_the_database_if_that_is_left() {
        let fixture = Fixture::new();
        for _ in 0..5 {
            try_to_accept(&fixture).unwrap();
        }
        let (log, index) = (beside(&fixture.path(), "-wal"), beside(&fixture.path(), "-shm"));
        fs::remove_file(log).unwrap();
        fs::remove_file(index).unwrap();
        assert!(matches!(try_to_accept(&fixture), Err(StoreError::Moved { .. })));
        // As a server that is killed leaves it.
        let copy = tempfile::tempdir().unwrap();
        fs::copy(fixture.path(), copy.path().join("data.db")).unwrap();
        let copied = Store::open(&copy.path().join("data.db"), Clock::manual(NOW)).unwrap();
        assert!(copied.pending().unwrap().len() >= 5);
    }

    #[test]
    fn a_database_in_whose_place_another_was_put_is_whole_and_so_is_the_other() {
        let other = Fixture::new();
        let path = other.path();
        try_to_accept(&other).unwrap();
        let copy = tempfile::tempdir().unwrap();
        let kept = copy.path().join("kept.db");
        drop(other.store);
        fs::copy(&path, &kept).unwrap();
        let fixture = Fixture::new();
        for _ in 0..5 {
            try_to_accept(&fixture).unwrap();
        }
        let moved = copy.path().join("moved.db");
        fs::rename(fixture.path(), &moved).unwrap();
        fs::rename(&kept, fixture.path()).unwrap();
        assert!(matches!(try_to_accept(&fixture), Err(StoreError::Moved { .. })));
        let fixture = fixture.reopen();
        assert_eq!(fixture.store.pending().unwrap().len(), 1, "the other's, and nothing of the log of the first");
        let moved = Store::open(&moved, Clock::manual(NOW)).unwrap();
        assert!(moved.pending().unwrap().len() >= 5);
    }

    #[test]
    fn no_new_reader_makes_a_file_or_reads_another_one_where_the_database_was() {
        let fixture = Fixture::new();
        try_to_accept(&fixture).unwrap();
        let held: Vec<_> = (0..10).map(|_| fixture.store.0.readers.take().unwrap()).collect();
        fs::remove_file(fixture.path()).unwrap();
        let count = || fixture.store.user_count(None);
        assert!(matches!(count(), Err(StoreError::Moved { .. })));
        assert!(!fixture.path().exists());
        fs::write(fixture.path(), "").unwrap();
        assert!(matches!(count(), Err(StoreError::Moved { .. })));
        drop(held);
        assert_eq!(count().unwrap(), 1, "from what is open already");
    }
}
