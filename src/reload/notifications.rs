//! The system's notifications of changed files, and a way to make sure that all up to now have come.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, ModifyKind, RenameMode};
use notify::{Event, EventKind};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::pending_changes::{self, PendingChanges, TELLS};
use super::watched_names::WatchedNames;

/// Longest wait for our own notice. Without it a file could be taken for whole while its writer is at work, for a moment only:
/// the notices that are late bring it back.
const WAIT: Duration = Duration::from_millis(200);
/// How long to sleep between two looks for a notice.
const NAP: Duration = Duration::from_micros(50);

/// The folder for our own files, in the workspace. Git passes over `data.db*`, and over folders without files.
const FOLDER: &str = "data.db-watch";

/// Notices that may wait; where there are more, everything is looked at instead.
const NOTICES: usize = pending_changes::MOST;

/// The receiving end of the system's notifications.
#[derive(Debug)]
pub(super) struct Notifications {
    receiver: Receiver<notify::Result<Event>>,
    /// Some found no room.
    lost: Arc<AtomicBool>,
    pub(super) pending: PendingChanges,
    /// What they are about.
    pub(super) names: WatchedNames,
    /// Paths at which watches may have ended.
    ended: Vec<PathBuf>,
    /// Watches may have ended anywhere.
    all_ended: bool,
    /// There will be none any more.
    over: bool,
    root: PathBuf,
    sentinel: Option<Sentinel>,
}

/// The end that the system's watcher writes to.
pub(super) struct Notify {
    sender: Sender<notify::Result<Event>>,
    lost: Arc<AtomicBool>,
}

impl notify::EventHandler for Notify {
    fn handle_event(&mut self, event: notify::Result<Event>) {
        // Reading, our own above all.
        let closed = |kind: AccessKind| kind == AccessKind::Close(AccessMode::Write);
        if event.as_ref().is_ok_and(|event| matches!(event.kind, EventKind::Access(kind) if !closed(kind))) {
            return;
        }
        if self.sender.try_send(event).is_err() {
            self.lost.store(true, Ordering::Release);
        }
    }
}

/// A folder of our own, watched with the others. Notices come in order: when that of a file made here has come, so have all
/// that were due before.
#[derive(Debug)]
struct Sentinel {
    folder: PathBuf,
    written: u64,
}

impl Sentinel {
    /// Beside the database, where one server is at a time: of one that was killed a single folder is left, which the next
    /// one takes over.
    fn in_workspace(root: &Path, written: u64) -> io::Result<Self> {
        let folder = root.join(FOLDER);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::create_dir(&folder)?;
        Ok(Self { folder, written })
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Notifications {
    pub(super) fn new(root: &Path) -> (Self, Notify) {
        let (sender, receiver) = channel(NOTICES);
        let lost = Arc::new(AtomicBool::new(false));
        let notify = Notify { sender, lost: Arc::clone(&lost) };
        let (pending, names) = (PendingChanges::default(), WatchedNames::default());
        let (ended, root) = (Vec::new(), root.to_owned());
        (Self { receiver, lost, pending, names, ended, all_ended: false, over: false, root, sentinel: None }, notify)
    }

    /// The folder that must be watched with the others. It is made if it is not there, or not any more.
    pub(super) fn sentinel_folder(&mut self) -> Option<&Path> {
        // Without such a folder the watch works all the same, see [`WAIT`].
        if TELLS && self.sentinel.as_ref().is_none_or(|sentinel| !sentinel.folder.is_dir()) {
            let written = self.sentinel.take().map_or(0, |sentinel| sentinel.written);
            self.sentinel = Sentinel::in_workspace(&self.root, written).ok();
        }
        self.sentinel.as_ref().map(|sentinel| &*sentinel.folder)
    }

    /// Whether a watch at this path may have ended since this was asked last.
    pub(super) fn take_ended(&mut self) -> impl Fn(&Path) -> bool + use<> {
        let (ended, all) = (std::mem::take(&mut self.ended), std::mem::take(&mut self.all_ended));
        move |path| all || ended.iter().any(|gone| path.starts_with(gone))
    }

    /// Waits for a notice; false, once, if there will be none any more.
    pub(super) async fn next(&mut self) -> bool {
        if self.over {
            return std::future::pending().await;
        }
        let event = self.receiver.recv().await;
        self.over = event.is_none();
        event.map(|event| self.take_in(event)).is_some()
    }

    /// Takes in all notices that are there.
    pub(super) fn catch_up(&mut self) {
        while let Ok(event) = self.receiver.try_recv() {
            self.take_in(event);
        }
        self.note_lost();
    }

    /// Whether nothing was told of a file since the last [`PendingChanges::take`], up to this very moment. Blocks, for microseconds.
    pub(super) fn heard_nothing_of(&mut self, path: &Path) -> bool {
        let Some(sentinel) = &mut self.sentinel else {
            self.catch_up();
            return !self.pending.holds(path);
        };
        sentinel.written += 1;
        let file = sentinel.folder.join(sentinel.written.to_string());
        let written = std::fs::write(&file, []).is_ok();
        let until = Instant::now() + WAIT;
        let mut heard = false;
        while written && !heard && Instant::now() < until {
            match self.receiver.try_recv() {
                Ok(event) => {
                    heard = event.as_ref().is_ok_and(|event| event.paths.contains(&file));
                    self.take_in(event);
                }
                Err(_) => std::thread::sleep(NAP),
            }
        }
        drop(std::fs::remove_file(&file));
        self.note_lost();
        !self.pending.holds(path)
    }

    fn take_in(&mut self, event: notify::Result<Event>) {
        let now = Instant::now();
        let mut event = match event {
            Ok(event) if !event.need_rescan() => event,
            lost => {
                self.all_ended = true;
                return self.pending.note(lost, now);
            }
        };
        let ours = |path: &PathBuf| self.sentinel.as_ref().is_some_and(|own| path.parent() == Some(&own.folder));
        if event.paths.iter().any(ours) {
            return;
        }
        // The watcher ends the watches of what is renamed or removed, and of all below.
        let renamed = matches!(event.kind, EventKind::Modify(ModifyKind::Name(mode)) if mode != RenameMode::To);
        if renamed || matches!(event.kind, EventKind::Remove(_)) {
            self.ended.extend(event.paths.iter().filter(|path| self.names.concerns(path)).cloned());
            if self.ended.len() > NOTICES {
                (self.ended, self.all_ended) = (Vec::new(), true);
            }
        }
        event.paths = event.paths.iter().flat_map(|path| self.names.meant_by(path)).collect();
        self.pending.note(Ok(event), now);
    }

    /// Notices that found no room may have been of anything.
    fn note_lost(&mut self) {
        if self.lost.swap(false, Ordering::Acquire) {
            self.all_ended = true;
            self.pending.note(Ok(Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan)), Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use notify::EventHandler as _;
    use notify::event::CreateKind;

    use super::*;

    #[test]
    fn notices_that_find_no_room_make_everything_suspect_watches_too() {
        let (mut notifications, mut notify) = Notifications::new(Path::new("/w"));
        let open = EventKind::Access(AccessKind::Open(AccessMode::Any));
        let made = EventKind::Create(CreateKind::File);
        let mut tell =
            |kind, number| notify.handle_event(Ok(Event::new(kind).add_path(format!("/w/f{number}.js").into())));
        for number in 0..NOTICES {
            // Nobody has to make room for what was only read.
            tell(open, number);
            tell(made, number);
        }
        notifications.catch_up();
        let all = notifications.pending.take(Instant::now() + Duration::from_secs(1)).unwrap();
        assert_eq!((all.all, all.touched.len()), (false, NOTICES));
        assert!(!notifications.take_ended()(Path::new("/w/hooks")));
        for number in 0..=NOTICES {
            tell(made, number);
        }
        notifications.catch_up();
        assert!(notifications.pending.take(Instant::now() + Duration::from_secs(1)).unwrap().all);
        assert!(notifications.take_ended()(Path::new("/w/hooks")));
    }
}
