//! What the system told of files, until it is time to look at them.
//!
//! Where the system says that a writer has closed a file (Linux), a file that is being written is left alone until then;
//! elsewhere until nothing was heard of it for a while.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, CreateKind, ModifyKind, RenameMode};
use notify::{Event, EventKind};

/// Quiet after the last change before anything is read: a save is often several changes.
const SETTLE: Duration = Duration::from_millis(10);
/// Longest that changes to other files put off reading.
const PATIENCE: Duration = Duration::from_millis(100);
/// Quiet after which a file counts as written where nobody says so.
const QUIET: Duration = Duration::from_millis(100);
/// The same where the system tells of the closing: only for writers that never close.
const UNCLOSED: Duration = Duration::from_secs(5);

/// Most files of which it is known that they changed, or are being written; where there are more, everything is looked at instead.
pub(super) const MOST: usize = 65_536;

/// Whether the system tells when a writer has closed a file.
pub(super) const TELLS: bool = cfg!(target_os = "linux");

/// What a watcher tells of changed files.
#[derive(Debug, Default)]
pub(super) struct Hints {
    /// Being written right now: not to be read.
    pub(super) writing: HashSet<PathBuf>,
    /// Changed, whatever their stamps say.
    pub(super) touched: HashSet<PathBuf>,
    /// All may have changed: notices were lost.
    pub(super) all: bool,
    /// Folders may have come.
    pub(super) folders: bool,
}

impl Hints {
    /// The same, but everything is to be looked at.
    pub(super) fn with_folders(&self) -> Self {
        let (writing, touched) = (self.writing.clone(), self.touched.clone());
        Self { writing, touched, all: self.all, folders: true }
    }
}

/// Changes that are not read yet.
#[derive(Debug, Default)]
pub(super) struct PendingChanges {
    /// Files that are being written, and when they count as written at the latest.
    writing: HashMap<PathBuf, Instant>,
    /// Files that changed.
    touched: HashSet<PathBuf>,
    /// Notices were lost.
    all: bool,
    /// Folders may have come.
    folders: bool,
    /// First and last change since the last reading.
    changed: Option<(Instant, Instant)>,
    /// When something that was not settled is to be looked at again.
    again: Option<Instant>,
}

impl PendingChanges {
    /// Everything is to be looked at.
    pub(super) fn mark_folders(&mut self, now: Instant) {
        self.folders = true;
        self.mark(now);
    }

    /// Something changed.
    fn mark(&mut self, now: Instant) {
        let first = self.changed.map_or(now, |(first, _)| first);
        self.changed = Some((first, now));
    }

    /// Something is to be looked at again then.
    pub(super) fn again(&mut self, at: Instant) {
        self.again = Some(self.again.map_or(at, |again| again.min(at)));
    }

    /// Takes a notice in.
    pub(super) fn note(&mut self, event: notify::Result<Event>, now: Instant) {
        let event = match event {
            Ok(event) if !event.need_rescan() => event,
            _ => {
                self.all = true;
                return self.mark(now);
            }
        };
        let mut paths = event.paths.iter().filter(|path| !is_scratch(path)).peekable();
        if paths.peek().is_none() {
            return;
        }
        match event.kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                for path in paths {
                    self.writing.remove(path);
                    self.touched.insert(path.clone());
                }
                self.mark(now);
            }
            // Reading, our own above all.
            EventKind::Access(_) => {}
            EventKind::Create(CreateKind::Folder) => self.mark_folders(now),
            EventKind::Create(_) => {
                for path in paths {
                    self.touched.insert(path.clone());
                    // Whoever made it will most likely write to it; a hard link is complete, though, and nobody closes it.
                    self.writing.insert(path.clone(), now + QUIET);
                }
            }
            EventKind::Modify(ModifyKind::Name(mode)) => {
                for path in paths {
                    // A file under its new name is complete: that is what people rename for.
                    if mode != RenameMode::From {
                        self.writing.remove(path);
                    }
                    self.touched.insert(path.clone());
                }
                self.mark(now);
            }
            EventKind::Modify(ModifyKind::Metadata(_)) => {
                self.touched.extend(paths.cloned());
                self.mark(now);
            }
            EventKind::Remove(_) => {
                for path in paths {
                    self.writing.remove(path);
                    self.touched.insert(path.clone());
                }
                self.mark(now);
            }
            _ => {
                for path in paths {
                    self.touched.insert(path.clone());
                    self.writing.insert(path.clone(), now + if TELLS { UNCLOSED } else { QUIET });
                }
            }
        }
        self.fit(now);
    }

    /// Of too many files none is told from the others.
    fn fit(&mut self, now: Instant) {
        if self.touched.len().max(self.writing.len()) > MOST {
            (self.touched, self.writing, self.all) = (HashSet::new(), HashMap::new(), true);
            self.mark(now);
        }
    }

    /// Whether something was told of a file since the last [`PendingChanges::take`], or it is being written.
    pub(super) fn holds(&self, path: &Path) -> bool {
        self.all || self.touched.contains(path) || self.writing.contains_key(path)
    }

    /// When [`PendingChanges::take`] will have something; nothing is pending if there is no such time.
    pub(super) fn due(&self) -> Option<Instant> {
        let changed = self.changed.map(|(first, last)| (last + SETTLE).min(first + PATIENCE));
        changed.into_iter().chain(self.again).chain(self.writing.values().copied()).min()
    }

    /// What is to be looked at now, if it is time.
    pub(super) fn take(&mut self, now: Instant) -> Option<Hints> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        self.writing.retain(|_, until| *until > now);
        self.changed = None;
        self.again = self.again.filter(|again| *again > now);
        // Files that are still being written stay noted as changed.
        let (later, touched): (HashSet<PathBuf>, HashSet<PathBuf>) =
            std::mem::take(&mut self.touched).into_iter().partition(|path| self.writing.contains_key(path));
        self.touched = later;
        let writing = self.writing.keys().cloned().collect();
        let (all, folders) = (std::mem::take(&mut self.all), std::mem::take(&mut self.folders));
        Some(Hints { writing, touched, all, folders })
    }
}

/// Files of editors that say nothing of the file that is edited, and those of our database.
fn is_scratch(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return false };
    let swap = name.starts_with('.') && [".swp", ".swo", ".swx"].iter().any(|ending| name.ends_with(ending));
    swap || name.starts_with("data.db") || name == "4913" || name.starts_with(".#")
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{DataChange, MetadataKind, RemoveKind};

    const FILE: &str = "/w/hooks/k/x.js";

    fn event(kind: EventKind, path: &str) -> notify::Result<Event> {
        Ok(Event::new(kind).add_path(path.into()))
    }

    const CLOSED: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
    const WRITTEN: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_that_is_written_waits_for_its_closing() {
        let mut pending = PendingChanges::default();
        let start = Instant::now();
        pending.note(event(WRITTEN, FILE), start);
        assert!(pending.take(start + QUIET * 2).is_none());
        pending.note(event(CLOSED, FILE), start + QUIET * 3);
        assert!(pending.take(start + QUIET * 3).is_none(), "the burst may go on");
        let hints = pending.take(start + QUIET * 3 + SETTLE).unwrap();
        assert!(hints.writing.is_empty());
        assert!(hints.touched.contains(Path::new(FILE)));
        assert_eq!(pending.due(), None);
    }

    #[test]
    fn a_writer_that_never_closes_is_not_waited_for_for_ever() {
        let mut pending = PendingChanges::default();
        let start = Instant::now();
        pending.note(event(WRITTEN, FILE), start);
        let hints = pending.take(start + UNCLOSED).unwrap();
        assert!(hints.writing.is_empty() && hints.touched.contains(Path::new(FILE)));
    }

    #[test]
    fn other_files_do_not_wait_for_one_that_is_being_written() {
        let mut pending = PendingChanges::default();
        let start = Instant::now();
        pending.note(event(CLOSED, "/w/hooks/k/other.js"), start);
        pending.note(event(WRITTEN, FILE), start);
        let hints = pending.take(start + SETTLE).unwrap();
        assert!(hints.writing.contains(Path::new(FILE)) && !hints.touched.contains(Path::new(FILE)));
        pending.note(event(CLOSED, FILE), start + SETTLE);
        assert!(pending.take(start + SETTLE * 2).unwrap().touched.contains(Path::new(FILE)));
    }

    #[test]
    fn a_burst_is_one_look_but_does_not_put_it_off_for_ever() {
        let mut pending = PendingChanges::default();
        let start = Instant::now();
        let step = SETTLE / 2;
        let mut now = start;
        while now < start + PATIENCE {
            assert!(pending.take(now).is_none());
            pending.note(event(CLOSED, FILE), now);
            now += step;
        }
        assert!(pending.take(now).is_some());
    }

    #[test]
    fn a_rename_or_removal_is_complete_at_once() {
        for kind in [EventKind::Modify(ModifyKind::Name(RenameMode::To)), EventKind::Remove(RemoveKind::File)] {
            let mut pending = PendingChanges::default();
            let start = Instant::now();
            pending.note(event(WRITTEN, FILE), start);
            pending.note(event(kind, FILE), start);
            assert!(pending.take(start + SETTLE).unwrap().writing.is_empty());
        }
    }

    #[test]
    fn of_more_files_than_are_told_apart_all_are_to_be_looked_at() {
        for kind in [CLOSED, WRITTEN] {
            let mut pending = PendingChanges::default();
            let start = Instant::now();
            for number in 0..MOST {
                pending.note(event(kind, &format!("/w/{number}.js")), start);
            }
            assert!(!pending.holds(Path::new("/w/other.js")));
            pending.note(event(kind, "/w/one-more.js"), start);
            assert!(pending.holds(Path::new("/w/other.js")));
            let hints = pending.take(start + SETTLE).unwrap();
            assert!(hints.all && hints.touched.is_empty() && hints.writing.is_empty());
        }
    }

    #[test]
    fn a_file_that_was_made_and_never_written_is_looked_at_after_a_while() {
        let mut pending = PendingChanges::default();
        let start = Instant::now();
        pending.note(event(EventKind::Create(CreateKind::File), FILE), start);
        assert!(pending.take(start + SETTLE).is_none());
        assert!(pending.take(start + QUIET).unwrap().touched.contains(Path::new(FILE)));
    }

    #[test]
    fn reading_and_scratch_files_are_nothing() {
        let mut pending = PendingChanges::default();
        let start = Instant::now();
        pending.note(event(EventKind::Access(AccessKind::Open(AccessMode::Any)), FILE), start);
        pending.note(event(WRITTEN, "/w/hooks/k/.x.js.swp"), start);
        pending.note(event(CLOSED, "/w/hooks/k/4913"), start);
        assert_eq!(pending.due(), None);
        pending.note(event(EventKind::Modify(ModifyKind::Metadata(MetadataKind::Any)), FILE), start);
        assert!(pending.due().is_some());
    }

    #[test]
    fn lost_notices_make_everything_suspect() {
        let mut pending = PendingChanges::default();
        let start = Instant::now();
        pending.note(Ok(Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan)), start);
        assert!(pending.take(start + SETTLE).unwrap().all);
    }
}
