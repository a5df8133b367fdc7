//! The system's notifications of changed files, and a way to make sure that all up to now have come.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;

use super::pending_changes::{PendingChanges, TELLS};

/// Longest wait for our own notice. Without it a file could be taken for whole while its writer is at work, for a moment only:
/// the notices that are late bring it back.
const WAIT: Duration = Duration::from_millis(200);
/// How long to sleep between two looks for a notice.
const NAP: Duration = Duration::from_micros(50);

/// The folder for our own files, in the workspace. Git passes over `data.db*`, and over folders without files.
const FOLDER: &str = "data.db-watch";

/// The receiving end of the system's notifications.
#[derive(Debug)]
pub(super) struct Notifications {
    receiver: UnboundedReceiver<notify::Result<notify::Event>>,
    pub(super) pending: PendingChanges,
    sentinel: Option<Sentinel>,
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
    fn in_workspace(root: &Path) -> io::Result<Self> {
        let folder = root.join(FOLDER);
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::create_dir(&folder)?;
        Ok(Self { folder, written: 0 })
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Notifications {
    pub(super) fn new(receiver: UnboundedReceiver<notify::Result<notify::Event>>, root: &Path) -> Self {
        // Without such a folder the watch works all the same, see [`WAIT`].
        let sentinel = if TELLS { Sentinel::in_workspace(root).ok() } else { None };
        Self { receiver, pending: PendingChanges::default(), sentinel }
    }

    /// The folder that must be watched with the others.
    pub(super) fn sentinel_folder(&self) -> Option<&Path> {
        self.sentinel.as_ref().map(|sentinel| &*sentinel.folder)
    }

    /// Waits for a notice; false if there will be none any more.
    pub(super) async fn next(&mut self) -> bool {
        match self.receiver.recv().await {
            Some(event) => {
                self.take_in(event);
                true
            }
            None => false,
        }
    }

    /// Takes in all notices that are there.
    pub(super) fn catch_up(&mut self) {
        while let Ok(event) = self.receiver.try_recv() {
            self.take_in(event);
        }
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
        !self.pending.holds(path)
    }

    fn take_in(&mut self, event: notify::Result<notify::Event>) {
        let ours = |path: &PathBuf| self.sentinel.as_ref().is_some_and(|sentinel| path.starts_with(&sentinel.folder));
        if !event.as_ref().is_ok_and(|event| event.paths.iter().any(ours)) {
            self.pending.note(event, Instant::now());
        }
    }
}
