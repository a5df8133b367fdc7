//! Watches a workspace's folders and publishes what its files say, soon after they say it.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use notify::RecommendedWatcher;
use tokio::sync::watch;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Interval;

use super::candidate::finish;
use super::compile_cache::CompileCache;
use super::notifications::{Notifications, Notify};
use super::pass::Watching;
use super::pending_changes::Hints;
use super::places::{Identity, Places, Stamp, seen_in};
use super::reader::{Look, Reader};
use super::scan::roots;
use super::watched_folders::WatchedFolders;
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

/// How often in a row everything is looked at because folders came that were not watched; then others have their turn.
const LOOKS: usize = 8;

/// How long to wait at first, and at most, before a program that no worker answered for is tried again.
const ASK_AGAIN: Duration = Duration::from_millis(200);
const ASK_AGAIN_AT_LAST: Duration = Duration::from_secs(30);

/// A compilation under way: a worker's answer, or why there is none.
pub type Compiling = Pin<Box<dyn Future<Output = Result<Compiled, String>> + Send>>;

/// A watch under way; it ends when this is dropped.
#[derive(Debug)]
pub struct Watch {
    workspaces: watch::Receiver<Arc<Workspace>>,
    task: JoinHandle<()>,
    /// Tells the thread that looks at files right now.
    over: Arc<AtomicBool>,
}

impl Watch {
    /// The workspace in service, and each one after it.
    pub fn subscribe(&self) -> watch::Receiver<Arc<Workspace>> {
        self.workspaces.clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.task.abort();
    }
}

/// Watches the workspace of `reader`, of which `first` was made; `cache` knows what of it has compiled. On a change the files are read, compiled by `compile` and
/// published; if there is no answer from `compile`, the change is tried again soon, and with the next one. Must be called
/// within a tokio runtime.
///
/// Where the system does not tell of changes (it grants no notifications, or no more watches), that is looked at twice a
/// second instead, and a log line says so.
pub fn watch<F>(
    reader: Reader,
    settings: Arc<Settings>,
    first: Arc<Workspace>,
    cache: CompileCache,
    compile: F,
) -> Watch
where
    F: Fn(CompileRequest) -> Compiling + Send + 'static,
{
    watch_by(notify::recommended_watcher, reader, settings, first, cache, compile)
}

fn watch_by<F>(
    watcher: impl FnOnce(Notify) -> notify::Result<RecommendedWatcher>,
    reader: Reader,
    settings: Arc<Settings>,
    first: Arc<Workspace>,
    cache: CompileCache,
    compile: F,
) -> Watch
where
    F: Fn(CompileRequest) -> Compiling + Send + 'static,
{
    let (notifications, notify) = Notifications::new(reader.root());
    let watched = WatchedFolders::new(watcher(notify).map_err(|error| error.to_string()));
    let (publish, workspaces) = watch::channel(first);
    let over = reader.over();
    let observer = Observer { reader, notifications, settings, watched };
    let task = tokio::spawn(run(observer, publish, cache, compile));
    Watch { workspaces, task, over }
}

/// What looks at files; moved to a blocking thread and back.
struct Observer {
    reader: Reader,
    notifications: Notifications,
    settings: Arc<Settings>,
    watched: WatchedFolders,
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
        let Some(hints) = observer.next_change(&mut folders, &mut polled).await else { continue };
        let started = Instant::now();
        let afresh = unanswered.is_some();
        let looked = spawn_blocking(move || {
            let look = catch_unwind(AssertUnwindSafe(|| observer.look(&hints, afresh)));
            (observer, look)
        });
        let look = match looked.await {
            Ok((back, look)) => {
                observer = back;
                look
            }
            Err(error) => {
                tracing::error!("hot reload ended: {error}; restart the server");
                return;
            }
        };
        let Ok(look) = look else {
            observer.look_afresh();
            continue;
        };
        let pending = &mut observer.notifications.pending;
        if let Some(again) = look.again {
            pending.again(again);
        }
        if look.places.is_none() {
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
                // It looks through all flows: nobody's event waits for that.
                let finished = spawn_blocking(move || finish(candidate, &compiled, Some(&last)));
                let Ok(next) = finished.await else {
                    observer.look_afresh();
                    continue;
                };
                publish.send_replace(Arc::new(Workspace { changed: Some(started), ..next }));
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
    /// What was found failed.
    fn look_afresh(&mut self) {
        tracing::error!(
            "the changed files are not in service: reading them failed, which is a fault of this server; it is tried \
             again with the next change"
        );
        self.reader.look_afresh();
    }

    /// Waits for a change, or for something that may be one: then there is something to look at if it is time.
    async fn next_change(&mut self, folders: &mut Interval, polled: &mut Instant) -> Option<Hints> {
        let due = self.notifications.pending.due().map(tokio::time::Instant::from_std);
        tokio::select! {
            more = self.notifications.next() => if !more {
                self.watched.lose_watcher();
                self.notifications.pending.mark_folders(Instant::now());
            },
            () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {}
            _ = folders.tick() => {
                if let Some(idle) = self.reader.rest() {
                    // What it was given takes the system a moment to take back.
                    drop(spawn_blocking(move || drop(idle)));
                }
                let poll = polled.elapsed() >= POLL && self.poll(polled).await;
                if poll || new_folders(self.reader.root(), self.watched.folders()) || self.watched.turn() {
                    self.notifications.pending.mark_folders(Instant::now());
                }
            }
        }
        self.notifications.catch_up();
        self.notifications.pending.take(Instant::now())
    }

    /// Whether something has changed in folders that cannot be watched.
    async fn poll(&mut self, polled: &mut Instant) -> bool {
        if self.watched.polled().is_empty() {
            return false;
        }
        let folders: Vec<PathBuf> = self.watched.polled().keys().cloned().collect();
        let look = |folder: &PathBuf| (folder.clone(), seen_in(folder));
        let seen = spawn_blocking(move || folders.iter().map(look).collect()).await;
        *polled = Instant::now();
        seen.is_ok_and(|seen| self.watched.differs(seen))
    }

    /// Looks at the files, and watches the folders they lie in. Folders that were not watched before are looked at once
    /// more: files may have come between the look and the watch.
    fn look(&mut self, hints: &Hints, afresh: bool) -> Look {
        let mut look = self.look_once(hints, afresh);
        let everything = hints.with_folders();
        for _ in 0..LOOKS {
            let Some(places) = &mut look.places else { return look };
            if !self.watch_places(std::mem::take(places)) {
                return look;
            }
            let more = self.look_once(&everything, false);
            look = Look { candidate: more.candidate.or(look.candidate), ..more };
        }
        look.again = Some(Instant::now());
        look
    }

    fn look_once(&mut self, hints: &Hints, afresh: bool) -> Look {
        let Self { reader, notifications, watched, settings } = self;
        let mut confirm = |path: &Path| notifications.heard_nothing_of(path);
        let (folders, polled) = (watched.folders(), watched.polled());
        reader.look(settings, Some(Watching { hints, folders, polled, confirm: &mut confirm }), afresh)
    }

    /// Whether something may have happened that nobody told of.
    fn watch_places(&mut self, mut places: Places) -> bool {
        if let Some(folder) = self.notifications.sentinel_folder() {
            places.folder(folder);
        }
        let news = self.watched.update(places, self.notifications.take_ended());
        self.notifications.names = self.watched.names();
        news
    }
}

/// Whether a folder for scripts has come, or is another one than that which is watched.
fn new_folders(root: &Path, watched: &BTreeMap<PathBuf, Identity>) -> bool {
    roots(root).iter().any(|path| match std::fs::metadata(path) {
        Ok(metadata) => metadata.is_dir() && watched.get(path) != Some(&Stamp::of(&metadata).identity),
        Err(_) => watched.contains_key(path),
    })
}

#[cfg(test)]
mod link_tests;
#[cfg(test)]
mod tests;
