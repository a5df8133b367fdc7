//! Reads the files of a workspace and keeps what it read: unchanged files are not read or parsed again, and of a file that
//! cannot be used the last good version stays.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::assemble::{Item, assemble};
use super::bounds::Bounds;
use super::builtin::{BUILTINS, Builtin, BuiltinFile, read_builtins};
use super::candidate::Candidate;
use super::depth::STACK;
use super::flow_check::Flows;
use super::load::{Loaded, load};
use super::resolve::required;
use super::scan::{Place, Scan, Stamp, scan};
use super::settled::{AGAIN, Read, read_settled};
use crate::config::{Problem, Settings};

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

/// Reads a workspace again and again.
#[derive(Debug)]
pub struct Reader {
    root: PathBuf,
    builtins: Vec<Builtin>,
    builtin_problems: Vec<Problem>,
    entries: HashMap<String, Entry>,
    /// What besides files makes a program: hooks switched off, bot folders, and what the last look found wrong.
    last: Option<Beside>,
    version: u64,
}

/// What was read of one file.
#[derive(Debug)]
struct Entry {
    place: Place,
    stamp: Stamp,
    /// Of the text: tells a touched file from a changed one.
    hash: u64,
    empty: bool,
    /// What is in service.
    loaded: Option<Loaded>,
    /// What is wrong with the newest version.
    problems: Vec<Problem>,
    /// What is in service is an earlier version.
    earlier: bool,
    missing_since: Option<Instant>,
    emptied_since: Option<Instant>,
}

#[derive(Debug, PartialEq)]
struct Beside {
    disabled: HashSet<(crate::program::HookKind, Option<crate::model::BotId>, String)>,
    bots: BTreeMap<crate::model::BotId, String>,
    problems: Vec<Problem>,
}

/// What a watcher tells of changed files.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// Being written right now: not to be read.
    pub(super) writing: HashSet<PathBuf>,
    /// Changed, whatever their stamps say.
    pub(super) touched: HashSet<PathBuf>,
    /// All may have changed: notices were lost.
    pub(super) all: bool,
}

/// A watcher at work while files are read: it comes back to what is not settled.
pub(super) struct Watching<'a> {
    pub(super) hints: &'a Hints,
    /// Folders whose changes it is told of, or would be.
    pub(super) folders: &'a BTreeMap<PathBuf, (u64, u64)>,
    /// It is told of nothing, and only looks now and then.
    pub(super) polling: bool,
    /// Asked after a file was read: whether nothing happened to it while it was.
    pub(super) confirm: &'a mut (dyn FnMut(&Path) -> bool + Send),
}

/// What came of a look.
#[derive(Debug)]
pub(super) struct Look {
    /// The new state, if it differs from the last one.
    pub(super) candidate: Option<Candidate>,
    /// When to look again, if something is not settled.
    pub(super) again: Option<Instant>,
    /// Folders that files were looked for in, with their identities.
    pub(super) folders: BTreeMap<PathBuf, (u64, u64)>,
}

/// Reads a workspace once: its files in both layouts, every script parsed, all problems collected.
pub fn read(root: &Path, settings: &Settings) -> Candidate {
    Reader::new(root).read(settings)
}

impl Reader {
    /// A reader of the workspace at `root`, with the built-in files.
    pub fn new(root: &Path) -> Self {
        Self::with_builtins(root, BUILTINS)
    }

    /// A reader with other built-in files.
    pub fn with_builtins(root: &Path, builtins: &[BuiltinFile]) -> Self {
        let (builtins, builtin_problems) = on_large_stack(|| read_builtins(builtins));
        Self { root: root.to_owned(), builtins, builtin_problems, entries: HashMap::new(), last: None, version: 0 }
    }

    /// The workspace as it stands now.
    pub fn read(&mut self, settings: &Settings) -> Candidate {
        loop {
            if let Some(candidate) = self.look(settings, None, true).candidate {
                return candidate;
            }
        }
    }

    /// The workspace's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Looks at all files, reads those that changed. With `afresh` there is a candidate even if nothing did.
    pub(super) fn look(&mut self, settings: &Settings, watching: Option<Watching<'_>>, afresh: bool) -> Look {
        if afresh {
            self.last = None;
        }
        on_large_stack(|| self.look_here(settings, watching))
    }

    fn look_here(&mut self, settings: &Settings, watching: Option<Watching<'_>>) -> Look {
        let bounds = Bounds::new(&self.root, settings.links_outside);
        let mut scan = scan(&bounds);
        let mut round = Round {
            root: &self.root,
            bounds: &bounds,
            entries: &mut self.entries,
            watching,
            most: settings.scripts.frame / 4,
            changed: false,
            again: None,
            visited: Vec::new(),
            seen: HashSet::new(),
        };
        for found in &scan.files {
            round.refresh(&found.path, &found.place, found.stamp);
        }
        round.linger(&scan, false);
        round.follow_requires(&mut scan);
        round.linger(&scan, true);
        let Round { visited, seen, mut changed, again, .. } = round;
        let before = self.entries.len();
        self.entries.retain(|path, _| seen.contains(path));
        changed |= self.entries.len() != before;

        let folders = std::mem::take(&mut scan.folders);
        let beside =
            Beside { disabled: scan.disabled.clone(), bots: scan.bots.clone(), problems: scan.problems.clone() };
        changed |= self.last.as_ref() != Some(&beside);
        self.last = Some(beside);
        let candidate = changed.then(|| {
            self.version += 1;
            self.candidate(&visited, &scan, settings)
        });
        Look { candidate, again, folders }
    }

    fn candidate(&self, visited: &[String], scan: &Scan, settings: &Settings) -> Candidate {
        let mut problems = self.builtin_problems.clone();
        problems.extend(scan.problems.iter().cloned());
        let mut items = Vec::new();
        let mut flows = Flows::of(scan);
        for path in visited {
            let Some((path, entry)) = self.entries.get_key_value(path) else { continue };
            flows.add(&entry.place, entry.loaded.as_ref().filter(|_| !entry.earlier), entry.loaded.is_some());
            problems.extend(
                entry.problems.iter().cloned().map(|problem| if entry.earlier { last_good(problem) } else { problem }),
            );
            if let Some(loaded) = &entry.loaded {
                if !entry.earlier {
                    problems.extend(loaded.remarks().iter().cloned());
                }
                items.push(Item { path, place: &entry.place, loaded });
            }
        }
        let assembled = assemble(self.version, &items, &self.builtins, scan, &settings.dialog);
        Candidate {
            root: self.root.clone(),
            program: Arc::new(assembled.program),
            bots: assembled.bots,
            problems,
            notices: assembled.notices,
            flows,
            action_docs: assembled.docs,
        }
    }
}

/// Says that the last good version is in service.
pub(super) fn last_good(problem: Problem) -> Problem {
    let stays = "the last good version stays in service until this is fixed";
    match &problem.help {
        Some(help) => Problem { help: Some(format!("{help}; {stays}")), ..problem },
        None => problem.help(stays),
    }
}

/// Runs on a thread whose stack is large enough for the parsers.
fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("reader".into()).stack_size(STACK);
        match builder.spawn_scoped(scope, work) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(error) => panic!("cannot start the thread that reads the workspace: {error}"),
        }
    })
}

/// One look at all files.
struct Round<'a, 'w> {
    root: &'a Path,
    bounds: &'a Bounds,
    entries: &'a mut HashMap<String, Entry>,
    watching: Option<Watching<'w>>,
    /// Largest file, in bytes.
    most: u64,
    changed: bool,
    again: Option<Instant>,
    /// Files in service, in order.
    visited: Vec<String>,
    seen: HashSet<String>,
}

impl Round<'_, '_> {
    /// Brings one file up to date and counts it in.
    fn refresh(&mut self, path: &str, place: &Place, stamp: Stamp) {
        if !self.seen.insert(path.to_owned()) {
            return;
        }
        if self.bring_up_to_date(path, place, stamp) {
            self.visited.push(path.to_owned());
        } else {
            self.seen.remove(path);
        }
    }

    /// False if there is nothing of the file yet.
    fn bring_up_to_date(&mut self, path: &str, place: &Place, stamp: Stamp) -> bool {
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
            if entry.place == *place && entry.stamp == stamp && !touched && entry.emptied_since.is_none() {
                return true;
            }
        }
        if let Some(watching) = &self.watching {
            // Nobody would tell of a change while it is read: its folder is watched first.
            if full.parent().is_some_and(|folder| !watching.folders.contains_key(folder)) {
                return self.entries.contains_key(path);
            }
            let least = if touched && !watching.polling { FRESH } else { YOUNG };
            let age = stamp.modified.elapsed().unwrap_or(least);
            if age < least {
                self.look_again(least - age);
                return self.entries.contains_key(path);
            }
        }
        let attempts = if self.watching.is_some() { 1 } else { ATTEMPTS };
        let read = match read_settled(&full, self.most, attempts) {
            // A change can be seen a moment before it is told of.
            Read::Text(_, stamp)
                if self.watching.is_some() && stamp.modified.elapsed().is_ok_and(|age| age < FRESH) =>
            {
                self.look_again(FRESH);
                return self.entries.contains_key(path);
            }
            Read::Text(text, stamp) => Ok((text, stamp)),
            Read::Refused(message) => Err(message),
            // It changed under our hands, or went away: the next look sees more.
            Read::Unsettled => {
                self.look_again(AGAIN);
                return self.entries.contains_key(path);
            }
        };
        if let Ok((text, _)) = &read
            && self.entries.get(path).is_none_or(|entry| entry.hash != hash(text))
            && self.watching.as_mut().is_some_and(|watching| !(watching.confirm)(&full))
        {
            // The watcher knows of it, and comes back.
            return self.entries.contains_key(path);
        }
        let known = self.entries.get_mut(path);
        let text = match read {
            Ok((text, read_stamp)) => {
                if let Some(entry) = known {
                    if text.is_empty() && !entry.empty && entry.place == *place && self.watching.is_some() {
                        let since = *entry.emptied_since.get_or_insert_with(Instant::now);
                        if since.elapsed() < EMPTY {
                            let left = EMPTY - since.elapsed();
                            self.look_again(left);
                            return true;
                        }
                    }
                    entry.emptied_since = None;
                    if entry.place == *place && entry.hash == hash(&text) {
                        entry.stamp = read_stamp;
                        return true;
                    }
                }
                self.insert(path, place, read_stamp, hash(&text), text.is_empty(), load(path, place, &text));
                return true;
            }
            Err(message) => message,
        };
        // What cannot be read counts as a version like any other; its message tells it from the next.
        let mark = hash(&text);
        if known.is_none_or(|entry| entry.hash != mark) {
            let refused = vec![Problem::error(path, text)].into();
            self.insert(path, place, stamp, mark, false, Err(refused));
        }
        true
    }

    fn insert(
        &mut self,
        path: &str,
        place: &Place,
        stamp: Stamp,
        hash: u64,
        empty: bool,
        result: Result<Loaded, super::load::Refused>,
    ) {
        self.changed = true;
        let before = self.entries.remove(path).filter(|entry| entry.place == *place).and_then(|entry| entry.loaded);
        let (loaded, problems, earlier) = match result {
            Ok(loaded) => (Some(loaded), Vec::new(), false),
            Err(refused) if before.is_some() => (before, refused.problems, true),
            Err(refused) => (refused.rest, refused.problems, false),
        };
        let entry = Entry {
            place: place.clone(),
            stamp,
            hash,
            empty,
            loaded,
            problems,
            earlier,
            missing_since: None,
            emptied_since: None,
        };
        self.entries.insert(path.to_owned(), entry);
    }

    /// Keeps files in service that were there a moment ago: an editor may be about to put them back.
    fn linger(&mut self, scan: &Scan, modules: bool) {
        if self.watching.is_none() {
            return;
        }
        let mut kept: Vec<(String, Duration)> = Vec::new();
        for (path, entry) in self.entries.iter_mut() {
            let due = (entry.place == Place::Module) == modules && !self.seen.contains(path);
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
            self.look_again(left);
            self.seen.insert(path.clone());
            self.visited.push(path);
        }
    }

    /// Reads what scripts require, and what that requires.
    fn follow_requires(&mut self, scan: &mut Scan) {
        let mut next = 0;
        while let Some(path) = self.visited.get(next).cloned() {
            next += 1;
            let Some(entry) = self.entries.get(&path) else { continue };
            let Some(Loaded::Script(script)) = &entry.loaded else { continue };
            let led = script.led(|name| required(self.bounds, &path, name)).map(Arc::new);
            let script = Arc::clone(led.as_ref().unwrap_or(script));
            if led.is_some()
                && let Some(entry) = self.entries.get_mut(&path)
            {
                entry.loaded = Some(Loaded::Script(Arc::clone(&script)));
                self.changed = true;
            }
            for require in &script.script.shape.requires {
                for found in require.manifest.iter().chain(&require.file) {
                    let full = self.root.join(&**found);
                    let Ok(metadata) = fs::metadata(&full) else { continue };
                    let stamp = Stamp::of(&metadata);
                    scan.identities.insert(stamp.identity);
                    if let Some(folder) = full.parent()
                        && let Ok(metadata) = fs::metadata(folder)
                    {
                        scan.folders.insert(folder.to_owned(), Stamp::of(&metadata).identity);
                    }
                    self.refresh(found, &Place::Module, stamp);
                }
            }
        }
    }

    fn look_again(&mut self, after: Duration) {
        let at = Instant::now() + after;
        self.again = Some(self.again.map_or(at, |again| again.min(at)));
    }
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
