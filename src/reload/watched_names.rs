//! What a notice of the system is about: it names one path of a folder, and all paths that lead there are meant.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use super::places::{Identity, Places};

/// The paths that are meant by those that are told.
#[derive(Debug, Default)]
pub(super) struct WatchedNames {
    /// By the path that the watcher calls a folder by: all of them, that one included.
    folders: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// The same of files: links that lead to them.
    links: HashMap<PathBuf, Vec<PathBuf>>,
}

impl WatchedNames {
    pub(super) fn new(places: &Places, watches: &HashMap<Identity, PathBuf>) -> Self {
        let mut names = Self::default();
        for (path, id) in &places.folders {
            if let Some(watched) = watches.get(id) {
                names.folders.entry(watched.clone()).or_default().push(path.clone());
            }
        }
        for (link, real) in &places.linked {
            if let (Some(folder), Some(name)) = (real.parent(), real.file_name())
                && let Some(watched) = places.folders.get(folder).and_then(|id| watches.get(id))
            {
                names.links.entry(watched.join(name)).or_default().push(link.clone());
            }
        }
        names
    }

    /// All that are meant by a path that is told, that one first.
    pub(super) fn meant_by(&self, path: &Path) -> Vec<PathBuf> {
        let mut meant = vec![path.to_owned()];
        if let Some(others) = self.folders.get(path) {
            meant.extend(others.iter().filter(|other| *other != path).cloned());
        }
        if let (Some(folder), Some(name)) = (path.parent(), path.file_name())
            && let Some(others) = self.folders.get(folder)
        {
            meant.extend(others.iter().filter(|other| *other != folder).map(|other| other.join(name)));
        }
        meant.extend(self.links.get(path).into_iter().flatten().cloned());
        meant
    }

    /// Whether a watch ends when its path is removed: it is there, or below.
    pub(super) fn concerns(&self, path: &Path) -> bool {
        self.folders.range(path.to_owned()..).next().is_some_and(|(watched, _)| watched.starts_with(path))
    }
}
