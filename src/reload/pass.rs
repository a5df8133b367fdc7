//! One pass over files: those that changed are read, and of what cannot be used the last good version stays.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::bounds::Bounds;
use super::load::{Loaded, Refused};
use super::pending_changes::Hints;
use super::places::{Identity, Stamp};
use super::resolve::Disk;
use super::sandbox::{Outcome, ReadJob, Sandbox};
use super::scan::Scan;
use super::stable_read::{AGAIN, Read, read_stable};
use crate::config::Problem;
use crate::reading::FileRole;

/// How long a file must stay empty to count as emptied: editors truncate first and write then.
const EMPTY: Duration = Duration::from_millis(500);
/// How long a file must stay away to count as deleted: some editors move the old file aside before they write the new one.
const GONE: Duration = Duration::from_millis(100);
/// How old a change must be that nobody told of: its writer may not be done.
const YOUNG: Duration = Duration::from_millis(100);
/// How old a change must be that was told of: less than the pause before files are looked at, so it costs nothing.
const FRESH: Duration = Duration::from_millis(8);
/// Attempts at a file that changes while it is read, when there is no watcher to come back to it.
const ATTEMPTS: usize = 5;

/// What was read of one file.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) role: FileRole,
    pub(super) stamp: Stamp,
    /// Of the text: tells a touched file from a changed one.
    hash: u64,
    empty: bool,
    /// What is in service.
    pub(super) loaded: Option<Loaded>,
    /// What is wrong with the newest version.
    pub(super) problems: Vec<Problem>,
    /// What is in service is an earlier version.
    pub(super) earlier: bool,
    missing_since: Option<Instant>,
    emptied_since: Option<Instant>,
}

/// A watcher at work while files are read: it comes back to what is not settled.
pub(super) struct Watching<'a> {
    pub(super) hints: &'a Hints,
    /// Folders whose changes it is told of, or would be.
    pub(super) folders: &'a BTreeMap<PathBuf, Identity>,
    /// Those among them of whose changes nobody tells: it only looks now and then.
    pub(super) polled: &'a BTreeMap<PathBuf, u64>,
    /// Asked after a file was read: whether nothing happened to it while it was.
    pub(super) confirm: &'a mut (dyn FnMut(&Path) -> bool + Send),
}

/// One pass over files.
pub(super) struct Pass<'a, 'w> {
    pub(super) root: &'a Path,
    pub(super) entries: &'a mut HashMap<String, Entry>,
    /// Reads what is new, while others are looked at.
    pub(super) sandbox: &'a mut Sandbox,
    pub(super) watching: Option<&'a mut Watching<'w>>,
    /// Largest file, in bytes.
    pub(super) most: u64,
    pub(super) found: PassResult,
}

/// What a pass came to.
#[derive(Debug, Default)]
pub(super) struct PassResult {
    pub(super) changed: bool,
    /// Scripts require other names than before, or what leads to files has changed.
    pub(super) requires_changed: bool,
    /// When to look again.
    pub(super) again: Option<Instant>,
    /// Files that are to be looked at again then.
    pub(super) unsettled: HashSet<String>,
    /// A file was left alone until its folder is watched.
    pub(super) unwatched: bool,
    /// Files in service, in order.
    pub(super) visited: Vec<String>,
    pub(super) seen: HashSet<String>,
}

impl Pass<'_, '_> {
    /// Brings one file up to date and counts it in.
    pub(super) fn refresh(&mut self, path: &str, role: &FileRole, stamp: Stamp) {
        if !self.found.seen.insert(path.to_owned()) {
            return;
        }
        if self.bring_up_to_date(path, role, stamp) {
            self.found.visited.push(path.to_owned());
        } else {
            self.found.seen.remove(path);
        }
    }

    /// False if there is nothing of the file yet.
    fn bring_up_to_date(&mut self, path: &str, role: &FileRole, stamp: Stamp) -> bool {
        let full = self.root.join(path);
        let mut touched = false;
        if let Some(watching) = &self.watching {
            if watching.hints.writing.contains(&full) {
                let known = self.entries.get_mut(path);
                return known.map(|entry| entry.emptied_since = None).is_some();
            }
            touched = watching.hints.all || watching.hints.touched.contains(&full);
        }
        if let Some(entry) = self.entries.get_mut(path) {
            entry.missing_since = None;
            if touched || stamp.size > 0 {
                // Whatever it is now, it was not empty all the time.
                entry.emptied_since = None;
            }
            if entry.role == *role && entry.stamp == stamp && !touched && entry.emptied_since.is_none() {
                return true;
            }
        }
        if self.is_too_early(path, &full, stamp, touched) {
            return self.entries.contains_key(path);
        }
        match self.read(path, &full) {
            Some(Ok((text, stamp))) => self.take_in(path, role, stamp, text),
            Some(Err(message)) => self.refuse(path, role, stamp, &message),
            None => return self.entries.contains_key(path),
        }
        true
    }

    /// Whether a watcher is to come back to a file later.
    fn is_too_early(&mut self, path: &str, full: &Path, stamp: Stamp, touched: bool) -> bool {
        let Some(watching) = &self.watching else { return false };
        // Nobody would tell of a change while it is read: its folder is watched first.
        if full.parent().is_some_and(|folder| !watching.folders.contains_key(folder)) {
            self.found.unwatched = true;
            return true;
        }
        let polled = full.parent().is_some_and(|folder| watching.polled.contains_key(folder));
        let least = if touched && !polled { FRESH } else { YOUNG };
        let age = stamp.modified.elapsed().unwrap_or(least);
        if age < least {
            self.look_again(path, least - age);
        }
        age < least
    }

    /// A file's text, or why it cannot be used; nothing if that is not settled.
    fn read(&mut self, path: &str, full: &Path) -> Option<Result<(String, Stamp), String>> {
        let attempts = if self.watching.is_some() { 1 } else { ATTEMPTS };
        let read = match read_stable(full, self.most, attempts) {
            // A change can be seen a moment before it is told of.
            Read::Text(_, stamp)
                if self.watching.is_some() && stamp.modified.elapsed().is_ok_and(|age| age < FRESH) =>
            {
                self.look_again(path, FRESH);
                return None;
            }
            Read::Text(text, stamp) => Ok((text, stamp)),
            Read::Refused(message) => Err(message),
            // It changed under our hands, or went away: the next look sees more.
            Read::Unsettled => {
                self.look_again(path, AGAIN);
                return None;
            }
        };
        if let Ok((text, _)) = &read
            && self.entries.get(path).is_none_or(|entry| entry.hash != hash(text))
            && self.watching.as_mut().is_some_and(|watching| !(watching.confirm)(full))
        {
            // The watcher knows of it, and comes back.
            return None;
        }
        Some(read)
    }

    fn take_in(&mut self, path: &str, role: &FileRole, stamp: Stamp, text: String) {
        let watched = self.watching.is_some();
        let mut left = None;
        if let Some(entry) = self.entries.get_mut(path) {
            if text.is_empty() && !entry.empty && entry.role == *role && watched {
                let since = entry.emptied_since.get_or_insert_with(Instant::now).elapsed();
                left = EMPTY.checked_sub(since).filter(|left| !left.is_zero());
            }
            if left.is_none() {
                entry.emptied_since = None;
                if entry.role == *role && entry.hash == hash(&text) {
                    entry.stamp = stamp;
                    return;
                }
            }
        }
        match left {
            Some(left) => self.look_again(path, left),
            None => {
                let (path, role, hash) = (path.to_owned(), role.clone(), hash(&text));
                self.sandbox.submit(ReadJob { path, role, text, stamp, hash });
            }
        }
    }

    /// Takes in what has been read.
    pub(super) fn settle(&mut self) {
        while let Some((job, outcome)) = self.sandbox.next() {
            let ReadJob { path, role, text, stamp, hash } = job;
            match outcome {
                Outcome::Read(reading) => {
                    let result = Loaded::of(&path, &role, &text, reading);
                    self.insert(&path, &role, stamp, hash, text.is_empty(), result);
                }
                // With more time it may be readable: it is not taken for known.
                Outcome::Hurried(reading) => {
                    let result = Loaded::of(&path, &role, &text, reading);
                    self.insert(&path, &role, Stamp::NONE, !hash, text.is_empty(), result);
                }
                Outcome::Postponed => self.look_again(&path, Duration::ZERO),
            }
        }
    }

    /// What cannot be read counts as a version like any other; its message tells it from the next.
    fn refuse(&mut self, path: &str, role: &FileRole, stamp: Stamp, message: &str) {
        let mark = hash(message);
        if self.entries.get(path).is_none_or(|entry| entry.hash != mark) {
            let refused = vec![Problem::error(path, message)].into();
            self.insert(path, role, stamp, mark, false, Err(refused));
        }
    }

    fn insert(
        &mut self,
        path: &str,
        role: &FileRole,
        stamp: Stamp,
        hash: u64,
        empty: bool,
        result: Result<Loaded, Refused>,
    ) {
        self.found.changed = true;
        let before = self.entries.remove(path).filter(|entry| entry.role == *role).and_then(|entry| entry.loaded);
        let (mut loaded, problems, earlier) = match result {
            Ok(loaded) => (Some(loaded), Vec::new(), false),
            Err(refused) if before.is_some() => (before.clone(), refused.problems, true),
            Err(refused) => (refused.rest, refused.problems, false),
        };
        match (&before, &mut loaded) {
            (Some(Loaded::Script(before)), Some(Loaded::Script(now))) => match now.led_like(before) {
                Some(led) => *now = Arc::new(led),
                None => self.found.requires_changed = true,
            },
            (None, None) => {}
            (Some(before), Some(now)) if !matches!(before, Loaded::Script(_)) && !matches!(now, Loaded::Script(_)) => {}
            _ => self.found.requires_changed = true,
        }
        let role = role.clone();
        let (missing_since, emptied_since) = (None, None);
        let entry = Entry { role, stamp, hash, empty, loaded, problems, earlier, missing_since, emptied_since };
        self.entries.insert(path.to_owned(), entry);
    }

    /// Keeps files in service that were there a moment ago: an editor may be about to put them back.
    pub(super) fn linger(&mut self, scan: &Scan, modules: bool) {
        if self.watching.is_none() {
            return;
        }
        let mut kept: Vec<(String, Duration)> = Vec::new();
        for (path, entry) in self.entries.iter_mut() {
            let due = (entry.role == FileRole::Module) == modules && !self.found.seen.contains(path);
            // Moved, or switched off by a leading dot: that is no accident.
            if !due || scan.identities.contains(&entry.stamp.identity) || self.root.join(path).exists() {
                continue;
            }
            let since = entry.missing_since.get_or_insert_with(Instant::now).elapsed();
            if since < GONE {
                kept.push((path.clone(), GONE - since));
            }
        }
        kept.sort();
        for (path, left) in kept {
            self.look_again(&path, left);
            self.found.seen.insert(path.clone());
            self.found.visited.push(path);
        }
    }

    /// Reads what scripts require, and what that requires.
    pub(super) fn follow_requires(&mut self, bounds: &Bounds, scan: &mut Scan) {
        let disk = Disk::new(bounds, std::mem::take(&mut scan.listings));
        let (mut next, mut settled) = (0, self.found.visited.len());
        while let Some(path) = self.found.visited.get(next).cloned() {
            if next == settled {
                // Those that the ones before require have been read meanwhile.
                self.settle();
                settled = self.found.visited.len();
            }
            next += 1;
            let Some(Entry { loaded: Some(Loaded::Script(script)), .. }) = self.entries.get_mut(&path) else {
                continue;
            };
            if let Some(led) = script.led(|name| disk.required(&path, name)) {
                *script = Arc::new(led);
                self.found.changed = true;
            }
            let script = Arc::clone(script);
            for require in &script.script.shape.requires {
                for file in require.manifest.iter().chain(&require.file) {
                    self.refresh_module(file, bounds, scan);
                }
            }
        }
        for path in disk.missed() {
            scan.places.awaits(self.root.join(path));
        }
    }

    fn refresh_module(&mut self, path: &str, bounds: &Bounds, scan: &mut Scan) {
        if self.found.seen.contains(path) {
            return;
        }
        let full = self.root.join(path);
        let Ok(metadata) = fs::metadata(&full) else { return };
        let stamp = Stamp::of(&metadata);
        scan.identities.insert(stamp.identity);
        if let Some(folder) = full.parent().filter(|folder| !scan.places.folders.contains_key(*folder)) {
            scan.places.folder(folder);
        }
        if full.is_symlink() {
            let real = bounds.full(&full, &bounds.real(path));
            scan.places.link(&full, Some(stamp.identity), real);
        }
        self.refresh(path, &FileRole::Module, stamp);
    }

    fn look_again(&mut self, path: &str, after: Duration) {
        let at = Instant::now() + after;
        self.found.again = Some(self.found.again.map_or(at, |again| again.min(at)));
        self.found.unsettled.insert(path.to_owned());
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}
