//! What is watched of a workspace: each folder once, however many paths lead to it. The system counts folders and not paths: of
//! two watches of one folder the second is the first, and ends with it.
//!
//! What the system does not tell of is looked at in turn: where links lead, what is required and not there yet, and whether a
//! folder is still the one that is watched.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::places::{Identity, Places, identity_of, seen_in};
use super::watched_names::WatchedNames;

/// Folders and links that are looked at in one turn, and as many of what is awaited.
const TURN: usize = 64;

/// Folders that are watched.
pub(super) struct WatchedFolders {
    /// Why there is none, where the system offers no notifications.
    watcher: Result<RecommendedWatcher, String>,
    places: Arc<Places>,
    /// The watches, by what the system knows a folder by, with the path that the watcher calls it by.
    watches: HashMap<Identity, PathBuf>,
    /// Folders that cannot be watched, with what was seen of them.
    polled: BTreeMap<PathBuf, u64>,
    /// That something cannot be watched was said.
    told: bool,
    /// Where the last turns ended.
    turns: [PathBuf; 2],
}

impl WatchedFolders {
    pub(super) fn new(watcher: Result<RecommendedWatcher, String>) -> Self {
        let (places, watches, polled) = (Arc::default(), HashMap::new(), BTreeMap::new());
        Self { watcher, places, watches, polled, told: false, turns: Default::default() }
    }

    /// Every path of a folder that is watched or polled.
    pub(super) fn folders(&self) -> &BTreeMap<PathBuf, Identity> {
        &self.places.folders
    }

    /// Folders that cannot be watched, with what was seen of them.
    pub(super) fn polled(&self) -> &BTreeMap<PathBuf, u64> {
        &self.polled
    }

    /// What the watcher's notices are about.
    pub(super) fn names(&self) -> WatchedNames {
        WatchedNames::new(&self.places, &self.watches)
    }

    /// Watches these folders and no others; where `ended` says so of its path, a watch may have ended by what happened there.
    /// True if something may have happened that nobody told of: then all files are to be looked at once more.
    pub(super) fn update(&mut self, places: Places, ended: impl Fn(&Path) -> bool) -> bool {
        let places = Arc::new(places);
        let before = std::mem::replace(&mut self.places, Arc::clone(&places));
        let mut news = places.folders.iter().any(|(path, id)| before.folders.get(path) != Some(id));
        // First: the system knows a folder that was renamed by one number under both names.
        for (_, path) in self.watches.extract_if(|id, path| places.folders.get(path) != Some(id)) {
            unwatch(&mut self.watcher, &path);
        }
        // What ended is watched once more; where it goes on all the same, that changes nothing.
        let _ = self.watches.extract_if(|_, path| ended(path)).count();
        let (mut polled, mut none_left) = (BTreeMap::new(), false);
        let mut known: HashSet<Identity> = self.watches.keys().copied().collect();
        for (path, id) in &places.folders {
            if !known.insert(*id) {
                continue;
            }
            match if none_left { None } else { Some(self.place(path)) } {
                Some(Ok(())) if identity_of(path) == Some(*id) => {
                    self.watches.insert(*id, path.clone());
                    news = true;
                    continue;
                }
                // Another folder took its place this very moment, and may be watched by another of its paths.
                Some(Ok(())) => {
                    self.watches.drain().for_each(|(_, path)| unwatch(&mut self.watcher, &path));
                    return true;
                }
                Some(Err(_)) if !path.exists() => continue,
                Some(Err(refused)) => {
                    none_left = refused.of_all;
                    self.say(path, &refused);
                }
                None => {}
            }
            // What was seen before the files were looked at: what has changed since is a change.
            let seen = self.polled.get(path).copied();
            news |= seen.is_none();
            polled.insert(path.clone(), seen.unwrap_or_else(|| seen_in(path)));
        }
        if polled.is_empty() && std::mem::take(&mut self.told) {
            tracing::info!("all folders of the workspace can be watched again");
        }
        self.polled = polled;
        news
    }

    fn place(&mut self, path: &Path) -> Result<(), RefusedWatch> {
        let watcher = self.watcher.as_mut().map_err(|why| RefusedWatch {
            why: why.clone(),
            limit: "fs.inotify.max_user_instances",
            of_all: true,
        })?;
        watcher.watch(path, RecursiveMode::NonRecursive).map_err(|error| RefusedWatch {
            of_all: matches!(error.kind, ErrorKind::MaxFilesWatch),
            limit: "fs.inotify.max_user_watches",
            why: error.to_string(),
        })
    }

    fn say(&mut self, path: &Path, refused: &RefusedWatch) {
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(
                "cannot watch {}: {}; what cannot be watched is looked at twice a second instead (on Linux, a higher {} \
                 helps: sysctl -w {}=…)",
                path.display(),
                refused.why,
                refused.limit,
                refused.limit,
            );
        }
    }

    /// There will be no notices any more.
    pub(super) fn lose_watcher(&mut self) {
        if self.watcher.is_ok() {
            self.watcher = Err("the system's notifications have ended".to_owned());
        }
        self.watches.clear();
    }

    /// Whether something is not as it was, of the few places whose turn it is.
    pub(super) fn turn(&mut self) -> bool {
        let places = Arc::clone(&self.places);
        let [known, awaited] = &mut self.turns;
        let folders = in_turn(&places.folders, known).any(|(path, id)| identity_of(path) != Some(*id));
        folders | in_turn(&places.leads, awaited).any(|(path, id)| identity_of(path) != *id)
    }

    /// Whether something is not as it was in folders that cannot be watched: `now` is what is seen in them.
    pub(super) fn differs(&mut self, now: BTreeMap<PathBuf, u64>) -> bool {
        let same = now == self.polled;
        self.polled = now;
        !same
    }
}

/// Why a folder cannot be watched.
struct RefusedWatch {
    why: String,
    /// The limit of the system that may be the reason.
    limit: &'static str,
    /// Neither can others.
    of_all: bool,
}

fn unwatch(watcher: &mut Result<RecommendedWatcher, String>, path: &Path) {
    if let Ok(watcher) = watcher {
        // It is gone most of the time, and its watch with it.
        drop(watcher.unwatch(path));
    }
}

/// The next few of these, from where the last turn ended.
fn in_turn<'a, T>(all: &'a BTreeMap<PathBuf, T>, last: &mut PathBuf) -> impl Iterator<Item = (&'a PathBuf, &'a T)> {
    let after = (Bound::Excluded(std::mem::take(last)), Bound::Unbounded);
    let these: Vec<_> = all.range(after).take(TURN).collect();
    if these.len() == TURN
        && let Some((path, _)) = these.last()
    {
        last.clone_from(path);
    }
    these.into_iter()
}
