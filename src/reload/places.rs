//! Where changes to a workspace may happen: its folders, what its links lead to, and what is awaited.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What the system knows a file or folder by, whatever path leads to it: device and number.
pub(super) type Identity = (u64, u64);

/// What changes when a file's content does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) modified: SystemTime,
    pub(super) changed: (i64, i64),
    pub(super) identity: Identity,
}

impl Stamp {
    /// That of no file.
    pub(super) const NONE: Self =
        Self { size: u64::MAX, modified: SystemTime::UNIX_EPOCH, changed: (0, 0), identity: (0, 0) };

    pub(super) fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            size: metadata.len(),
            modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
            identity: (metadata.dev(), metadata.ino()),
        }
    }
}

/// Where changes may happen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Every folder that was looked into, and those in which files lie that links lead to.
    pub(super) folders: BTreeMap<PathBuf, Identity>,
    /// What paths lead to that may lead elsewhere without a notice: links, and what is required and not there yet.
    pub(super) leads: BTreeMap<PathBuf, Option<Identity>>,
    /// Links to files, and where these really are.
    pub(super) linked: BTreeMap<PathBuf, PathBuf>,
}

impl Places {
    /// A folder was looked into, or is about to be.
    pub(super) fn folder(&mut self, path: &Path) {
        if let Ok(metadata) = fs::metadata(path)
            && metadata.is_dir()
        {
            self.folders.insert(path.to_owned(), Stamp::of(&metadata).identity);
        }
    }

    /// A link; `real` is where the file is that it leads to, if it leads to one that may be read.
    pub(super) fn link(&mut self, path: &Path, leads_to: Option<Identity>, real: Option<PathBuf>) {
        self.leads.insert(path.to_owned(), leads_to);
        if let Some(real) = real {
            if let Some(folder) = real.parent().filter(|folder| !self.folders.contains_key(*folder)) {
                self.folder(folder);
            }
            self.linked.insert(path.to_owned(), real);
        }
    }

    /// Something is not there, and matters once it is.
    pub(super) fn awaits(&mut self, path: PathBuf) {
        self.leads.entry(path).or_insert(None);
    }
}

/// What a path leads to.
pub(super) fn identity_of(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata).identity)
}

/// What is seen in a folder, as a number that changes with it.
pub(super) fn seen_in(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let seen = |entry: fs::DirEntry| {
        let mut hasher = DefaultHasher::new();
        entry.file_name().hash(&mut hasher);
        if let Ok(metadata) = fs::metadata(entry.path()) {
            let Stamp { size, modified, changed, identity } = Stamp::of(&metadata);
            (size, modified, changed, identity).hash(&mut hasher);
        }
        hasher.finish()
    };
    // They come in no order.
    entries.flatten().map(seen).fold(1, u64::wrapping_add)
}
