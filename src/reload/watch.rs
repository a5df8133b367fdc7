//! Watches a workspace's folders and publishes what its files say, soon after they say it.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Interval;

use super::candidate::finish;
use super::compile_cache::CompileCache;
use super::notifications::Notifications;
use super::pass::Watching;
use super::pending_changes::Hints;
use super::reader::{Look, Reader};
use super::scan::{Stamp, roots};
use super::workspace::Workspace;
use crate::config::Settings;
use crate::program::CompileRequest;
use crate::protocol::messages::Compiled;

/// How often to look whether a folder that was not there has been made.
const FOLDERS: Duration = Duration::from_millis(200);
/// How often to look at everything where the system does not tell of changes.
const POLL: Duration = Duration::from_millis(500);
/// How long after a look at single files everything is looked at: a safeguard, should a notification be missing.
const EVERYTHING: Duration = Duration::from_secs(5);

/// How long to wait at first, and at most, before a program that no worker answered for is tried again.
const ASK_AGAIN: Duration = Duration::from_millis(200);
const ASK_AGAIN_AT_LAST: Duration = Duration::from_secs(30);

/// A compilation under way: a worker's answer, or why there is none.
pub type Compiling = Pin<Box<dyn Future<Output = Result<Compiled, String>> + Send>>;

/// The watch cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system refuses notifications altogether.
    #[error("cannot watch the workspace for changes: {0}; start with --no-watch to do without")]
    Notify(#[from] notify::Error),
}

/// A watch under way; it ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    workspaces: watch::Receiver<Arc<Workspace>>,
    task: JoinHandle<()>,
}

impl Watch {
    /// The workspace in service, and each one after it.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Workspace>> {
        self.workspaces.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Watches the workspace of `reader`, of which `first` was made; `cache` knows what of it has compiled. On a change the files are read, compiled by `compile` and
/// published; if there is no answer from `compile`, the change is tried again soon, and with the next one. Must be called
/// within a tokio runtime.
///
/// # Errors
/// If the system offers no notifications. If single folders cannot be watched (too many of them), everything is looked at
/// twice a second instead, and a log line says so.
pub fn watch<F>(
    reader: Reader,
    settings: Arc<Settings>,
    first: Arc<Workspace>,
    cache: CompileCache,
    compile: F,
) -> Result<Watch, WatchError>
where
    F: Fn(CompileRequest) -> Compiling + Send + 'static,
{
    let (sender, receiver) = mpsc::unbounded_channel();
    let watcher = notify::recommended_watcher(move |event| drop(sender.send(event)))?;
    let notifications = Notifications::new(receiver, reader.root());
    let (publish, workspaces) = watch::channel(first);
    let observer = Observer { reader, watcher, notifications, settings, watched: BTreeMap::new(), polling: false };
    let task = tokio::spawn(run(observer, publish, cache, compile));
    Ok(Watch { workspaces, task })
}

/// What looks at files; moved to a blocking thread and back.
struct Observer {
    reader: Reader,
    watcher: RecommendedWatcher,
    notifications: Notifications,
    settings: Arc<Settings>,
    /// Watched folders with their identities: one that was deleted and made again is another one.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    /// A folder could not be watched.
    polling: bool,
}

async fn run<F>(mut observer: Observer, publish: watch::Sender<Arc<Workspace>>, mut cache: CompileCache, compile: F)
where
    F: Fn(CompileRequest) -> Compiling + Send + 'static,
{
    // What changed between the first reading and now.
    observer.notifications.pending.mark_folders(Instant::now());
    let mut folders = tokio::time::interval(FOLDERS);
    folders.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut polled = Instant::now();
    // Why no worker has answered for the last program, and when to ask again.
    let mut unanswered: Option<(String, Duration)> = None;
    loop {
        let Some(hints) = observer.next_change(&mut folders, &mut polled).await else { return };
        let Some(hints) = hints else { continue };
        let started = Instant::now();
        let afresh = unanswered.is_some();
        let looked = spawn_blocking(move || {
            let look = observer.look(&hints, afresh);
            (observer, look)
        });
        let look = match looked.await {
            Ok((back, look)) => {
                observer = back;
                look
            }
            Err(error) => {
                tracing::error!("hot reload ended: reading the workspace failed: {error}");
                return;
            }
        };
        let pending = &mut observer.notifications.pending;
        if let Some(again) = look.again {
            pending.again(again);
        }
        if look.folders.is_none() {
            pending.again(Instant::now() + EVERYTHING);
        }
        let Some(candidate) = look.candidate else { continue };
        let request = cache.request(&candidate.program);
        // Of new elements, flows and configuration there is nothing to compile.
        let answer = if request.only.is_empty() { Ok(Compiled::default()) } else { compile(request).await };
        match answer {
            Ok(compiled) => {
                unanswered = None;
                let compiled = cache.complete(&candidate.program, compiled);
                let last = Arc::clone(&publish.borrow());
                let next = Workspace { changed: Some(started), ..finish(candidate, &compiled, Some(&last)) };
                publish.send_replace(Arc::new(next));
            }
            Err(error) => {
                let (said, pause) = unanswered.unwrap_or_default();
                if said != error {
                    tracing::error!("the changed files are not in service yet: {error}");
                }
                let pause = (pause * 2).clamp(ASK_AGAIN, ASK_AGAIN_AT_LAST);
                pending.again(Instant::now() + pause);
                unanswered = Some((error, pause));
            }
        }
    }
}

impl Observer {
    /// Waits for a change, or for something that may be one: then there is something to look at if it is time. `None` if
    /// there will be no changes any more.
    async fn next_change(&mut self, folders: &mut Interval, polled: &mut Instant) -> Option<Option<Hints>> {
        let due = self.notifications.pending.due().map(tokio::time::Instant::from_std);
        tokio::select! {
            more = self.notifications.next() => if !more { return None },
            () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {}
            _ = folders.tick() => {
                let poll = self.polling && polled.elapsed() >= POLL;
                if poll || new_folders(self.reader.root(), &self.watched) {
                    *polled = Instant::now();
                    self.notifications.pending.mark_folders(*polled);
                }
            }
        }
        self.notifications.catch_up();
        Some(self.notifications.pending.take(Instant::now()))
    }

    /// Looks at the files, and watches the folders they lie in. Folders that were not watched before are looked at once
    /// more: files may have come between the look and the watch.
    fn look(&mut self, hints: &Hints, afresh: bool) -> Look {
        let mut look = self.look_once(hints, afresh);
        let everything = hints.with_folders();
        while look.folders.as_ref().is_some_and(|folders| self.watch_folders(folders)) {
            let more = self.look_once(&everything, false);
            look = Look { candidate: more.candidate.or(look.candidate), ..more };
        }
        look
    }

    fn look_once(&mut self, hints: &Hints, afresh: bool) -> Look {
        let Self { reader, notifications, watched, polling, settings, .. } = self;
        let mut confirm = |path: &Path| notifications.heard_nothing_of(path);
        let watching = Watching { hints, folders: watched, polling: *polling, confirm: &mut confirm };
        reader.look(settings, Some(watching), afresh)
    }

    /// Whether there is a folder that was not watched.
    fn watch_folders(&mut self, folders: &BTreeMap<PathBuf, (u64, u64)>) -> bool {
        let old: Vec<PathBuf> = self
            .watched
            .iter()
            .filter(|(path, id)| folders.get(*path) != Some(id))
            .map(|(path, _)| path.clone())
            .collect();
        // First: the system knows a folder that was renamed by one number under both names.
        for path in old {
            self.watched.remove(&path);
            // It is gone most of the time, and its watch with it.
            drop(self.watcher.unwatch(&path));
        }
        let mut new = false;
        if self.watched.is_empty()
            && let Some(folder) = self.notifications.sentinel_folder()
        {
            drop(self.watcher.watch(folder, RecursiveMode::NonRecursive));
        }
        for (path, identity) in folders {
            if self.watched.contains_key(path) {
                continue;
            }
            self.watched.insert(path.clone(), *identity);
            new = true;
            if let Err(error) = self.watcher.watch(path, RecursiveMode::NonRecursive)
                && path.exists()
                && !std::mem::replace(&mut self.polling, true)
            {
                tracing::warn!(
                    "cannot watch {}: {error}; looking at all files twice a second instead \
                     (on Linux, a higher fs.inotify.max_user_watches helps)",
                    path.display()
                );
            }
        }
        new
    }
}

/// Whether a folder for scripts has come, or is another one than that which is watched.
fn new_folders(root: &Path, watched: &BTreeMap<PathBuf, (u64, u64)>) -> bool {
    roots(root).iter().any(|path| match std::fs::metadata(path) {
        Ok(metadata) => metadata.is_dir() && watched.get(path) != Some(&Stamp::of(&metadata).identity),
        Err(_) => watched.contains_key(path),
    })
}

#[cfg(test)]
mod tests;
