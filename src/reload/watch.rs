//! Watches a workspace's folders and publishes what its files say, soon after they say it.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};

use super::candidate::finish;
use super::ears::Ears;
use super::reader::{Hints, Look, Reader, Watching};
use super::scan::{Stamp, roots};
use super::workspace::Workspace;
use crate::config::Settings;
use crate::program::{BotProgram, Flow, Program, Source};
use crate::protocol::messages::Compiled;

/// How often to look whether a folder that was not there has been made.
const FOLDERS: Duration = Duration::from_millis(200);
/// How often to look at everything where the system does not tell of changes.
const POLL: Duration = Duration::from_millis(500);

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

/// Watches the workspace of `reader`, of which `first` was made. On a change the files are read, compiled by `compile` and
/// published; if there is no answer from `compile`, the change is tried again soon, and with the next one. Must be called
/// within a tokio runtime.
///
/// # Errors
/// If the system offers no notifications. If single folders cannot be watched (too many of them), everything is looked at
/// twice a second instead, and a log line says so.
pub fn watch<F>(reader: Reader, settings: Arc<Settings>, first: Arc<Workspace>, compile: F) -> Result<Watch, WatchError>
where
    F: Fn(Arc<Program>) -> Compiling + Send + 'static,
{
    let (tell, told) = mpsc::unbounded_channel();
    let watcher = notify::recommended_watcher(move |event| drop(tell.send(event)))?;
    let ears = Ears::new(told, reader.root());
    let (publish, workspaces) = watch::channel(first);
    let eyes = Eyes { reader, watcher, ears, settings, watched: BTreeMap::new(), polling: false };
    let task = tokio::spawn(run(eyes, publish, compile));
    Ok(Watch { workspaces, task })
}

/// What looks at files; moved to a blocking thread and back.
struct Eyes {
    reader: Reader,
    watcher: RecommendedWatcher,
    ears: Ears,
    settings: Arc<Settings>,
    /// Watched folders with their identities: one that was deleted and made again is another one.
    watched: BTreeMap<PathBuf, (u64, u64)>,
    /// A folder could not be watched.
    polling: bool,
}

async fn run<F>(mut eyes: Eyes, publish: watch::Sender<Arc<Workspace>>, compile: F)
where
    F: Fn(Arc<Program>) -> Compiling + Send + 'static,
{
    // What changed between the first reading and now.
    eyes.ears.pending.mark(Instant::now());
    let mut folders = tokio::time::interval(FOLDERS);
    folders.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut polled = Instant::now();
    // Why no worker has answered for the last program, and when to ask again.
    let mut unanswered: Option<(String, Duration)> = None;
    loop {
        let due = eyes.ears.pending.due().map(tokio::time::Instant::from_std);
        tokio::select! {
            more = eyes.ears.hear() => if !more { return },
            () = tokio::time::sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {}
            _ = folders.tick() => {
                let poll = eyes.polling && polled.elapsed() >= POLL;
                if poll || new_folders(eyes.reader.root(), &eyes.watched) {
                    polled = Instant::now();
                    eyes.ears.pending.mark(polled);
                }
            }
        }
        eyes.ears.catch_up();
        let Some(hints) = eyes.ears.pending.take(Instant::now()) else { continue };
        let started = Instant::now();
        let afresh = unanswered.is_some();
        let looked = spawn_blocking(move || {
            let look = eyes.look(&hints, afresh);
            (eyes, look)
        });
        let look = match looked.await {
            Ok((back, look)) => {
                eyes = back;
                look
            }
            Err(error) => {
                tracing::error!("hot reload ended: reading the workspace failed: {error}");
                return;
            }
        };
        if let Some(again) = look.again {
            eyes.ears.pending.again(again);
        }
        let Some(candidate) = look.candidate else { continue };
        match compile(Arc::clone(&candidate.program)).await {
            Ok(compiled) => {
                unanswered = None;
                let last = Arc::clone(&publish.borrow());
                let next = finish(candidate, &compiled, Some(&last));
                report(&last, &next, started.elapsed());
                publish.send_replace(Arc::new(next));
            }
            Err(error) => {
                let (said, pause) = unanswered.unwrap_or_default();
                if said != error {
                    tracing::error!("the changed files are not in service yet: {error}");
                }
                let pause = (pause * 2).clamp(ASK_AGAIN, ASK_AGAIN_AT_LAST);
                eyes.ears.pending.again(Instant::now() + pause);
                unanswered = Some((error, pause));
            }
        }
    }
}

impl Eyes {
    /// Looks at the files, and watches the folders they lie in. Folders that were not watched before are looked at once
    /// more: files may have come between the look and the watch.
    fn look(&mut self, hints: &Hints, afresh: bool) -> Look {
        let mut look = self.look_once(hints, afresh);
        while self.watch_folders(&look.folders) {
            let more = self.look_once(hints, false);
            look = Look { candidate: more.candidate.or(look.candidate), ..more };
        }
        look
    }

    fn look_once(&mut self, hints: &Hints, afresh: bool) -> Look {
        let Self { reader, ears, watched, polling, settings, .. } = self;
        let mut confirm = |path: &Path| ears.heard_nothing_of(path);
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
            && let Some(folder) = self.ears.bell_folder()
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

/// Says what was reloaded. What is wrong with it is said by whoever puts it into service; where nothing came into service
/// there is nothing else to say.
fn report(last: &Workspace, next: &Workspace, took: Duration) {
    let mut changed = changes(&last.program, &next.program);
    // A file that was fixed by a change is named once.
    let mended: Vec<&str> = mended(last, next).filter(|path| changed.iter().all(|name| name != path)).collect();
    changed.extend(mended.into_iter().map(|path| format!("{path} (fixed)")));
    if changed.len() > 5 {
        let more = changed.split_off(4).len();
        changed.push(format!("and {more} more"));
    }
    if !changed.is_empty() {
        tracing::info!("reloaded in {} ms: {}", took.as_millis(), changed.join(", "));
    }
}

/// Files that were wrong and are as they were before.
fn mended<'a>(last: &'a Workspace, next: &'a Workspace) -> impl Iterator<Item = &'a str> {
    let same = |path: &str| {
        let text = |program: &'a Program| {
            program.scripts.iter().find(|script| &*script.path == path).map(|script| &script.source)
        };
        fn flow<'p>(program: &'p Program, path: &str) -> Option<&'p Flow> {
            program.bots.values().flat_map(|bot| bot.flows.values()).find(|flow| &*flow.path == path)
        }
        text(&last.program) == text(&next.program) && flow(&last.program, path) == flow(&next.program, path)
    };
    let wrong: BTreeSet<&str> = last.problems.iter().filter(|one| one.fatal).map(|one| one.path.as_str()).collect();
    wrong.into_iter().filter(move |path| !next.problems.iter().any(|one| one.path == *path) && same(path))
}

/// The files that came, changed or went, in words.
fn changes(last: &Program, next: &Program) -> Vec<String> {
    let index = |program: &Program| -> BTreeMap<Arc<str>, Source> {
        program.scripts.iter().map(|script| (Arc::clone(&script.path), script.source.clone())).collect()
    };
    let (old, new) = (index(last), index(next));
    let mut names: Vec<String> = Vec::new();
    for (path, source) in &new {
        match old.get(path) {
            None => names.push(format!("{path} (new)")),
            Some(before) if before != source => names.push(path.to_string()),
            Some(_) => {}
        }
    }
    names.extend(old.keys().filter(|path| !new.contains_key(*path)).map(|path| format!("{path} (gone)")));
    for (id, bot) in &next.bots {
        let Some(before) = last.bots.get(id) else {
            names.push(format!("bot {id} (new)"));
            continue;
        };
        if text(&before.config) != text(&bot.config) {
            names.push(format!("configuration of {id}"));
        }
        let elements = |bot: &BotProgram| -> Vec<String> {
            bot.elements.values().map(|element| element.json.get().to_owned()).collect()
        };
        if elements(before) != elements(bot) {
            names.push(format!("content elements of {id}"));
        }
        names.extend(changed_flows(before, bot));
    }
    names.extend(last.bots.keys().filter(|id| !next.bots.contains_key(*id)).map(|id| format!("bot {id} (gone)")));
    names
}

/// The flows of a bot that came, changed or went, by their files.
fn changed_flows(last: &BotProgram, next: &BotProgram) -> Vec<String> {
    let mut names = Vec::new();
    for (name, flow) in &*next.flows {
        match last.flows.get(name) {
            None => names.push(format!("{} (new)", flow.path)),
            Some(before) if before != flow => names.push(flow.path.to_string()),
            Some(_) => {}
        }
    }
    let gone = last.flows.iter().filter(|(name, _)| !next.flows.contains_key(*name));
    names.extend(gone.map(|(_, flow)| format!("{} (gone)", flow.path)));
    names
}

fn text(json: &Option<Box<RawValue>>) -> Option<&str> {
    json.as_deref().map(RawValue::get)
}

#[cfg(test)]
mod tests;
