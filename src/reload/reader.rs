//! Reads the files of a workspace and keeps what it read: unchanged files are not read or parsed again, and of a file that
//! cannot be used the last good version stays. After a save that changes only what files say, no other file is looked at.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::assemble::{Assembler, Item};
use super::bounds::Bounds;
use super::builtin::{BUILTINS, Builtin, BuiltinFile, read_builtins};
use super::candidate::{Candidate, last_good};
use super::dead_requires::dead_requires;
use super::flow_check::Flows;
use super::pass::{Entry, Pass, PassResult, Watching};
use super::places::{Identity, Places, Stamp};
use super::sandbox::{Readers, Sandbox};
use super::scan::{Surroundings, scan};
use crate::config::{Problem, Settings};
use crate::fleet::WorkerCommand;

/// Reads a workspace again and again.
#[derive(Debug)]
pub struct Reader {
    root: PathBuf,
    sandbox: Sandbox,
    builtin_files: &'static [BuiltinFile],
    /// They are read with the first look.
    builtins: Option<(Vec<Builtin>, Vec<Problem>)>,
    entries: HashMap<String, Entry>,
    assembler: Assembler,
    last: Option<Last>,
    version: u64,
}

/// What the last look found besides what files say.
#[derive(Debug)]
struct Last {
    around: Surroundings,
    /// Files in service, in order.
    visited: Vec<String>,
    folders: BTreeMap<PathBuf, Identity>,
    /// Files that are no part of the program: if one of them goes, that may mean something all the same.
    others: HashSet<String>,
    /// A file or folder is there under two names, and its changes are told of under one.
    aliases: bool,
    /// Files that are to be looked at again.
    unsettled: HashSet<String>,
    /// Something is left that only a look at everything finds.
    unfinished: bool,
}

/// What came of a look.
#[derive(Debug)]
pub(super) struct Look {
    /// The new state, if it differs from the last one.
    pub(super) candidate: Option<Candidate>,
    /// When to look again, if something is not settled.
    pub(super) again: Option<Instant>,
    /// Where changes may happen; nothing if only files were looked at that had been told of.
    pub(super) places: Option<Places>,
}

/// Reads a workspace once: its files in both layouts, every script parsed by a process of that command, all problems collected.
pub fn read(root: &Path, command: WorkerCommand, settings: &Settings) -> Candidate {
    Reader::new(root, command).read(settings)
}

impl Reader {
    /// A reader of the workspace at `root`, with the built-in files, that has files read by processes of that command.
    pub fn new(root: &Path, command: WorkerCommand) -> Self {
        Self::with(root, BUILTINS, Readers::Process(command))
    }

    pub(super) fn with(root: &Path, builtin_files: &'static [BuiltinFile], readers: Readers) -> Self {
        Self {
            root: root.to_owned(),
            sandbox: Sandbox::new(readers),
            builtin_files,
            builtins: None,
            entries: HashMap::new(),
            assembler: Assembler::default(),
            last: None,
            version: 0,
        }
    }

    /// The workspace as it stands now.
    pub fn read(&mut self, settings: &Settings) -> Candidate {
        loop {
            if let Some(candidate) = self.look(settings, None, true).candidate {
                self.sandbox.end();
                return candidate;
            }
        }
    }

    /// Looks at everything the next time.
    pub(super) fn look_afresh(&mut self) {
        self.last = None;
    }

    /// To be set when nobody waits for what is read any more.
    pub(super) fn over(&self) -> Arc<AtomicBool> {
        self.sandbox.over()
    }

    /// Gives what nobody has needed for a while, to be dropped where that may take a moment.
    pub(super) fn rest(&mut self) -> Option<impl Send + 'static + use<>> {
        self.sandbox.rest()
    }

    /// The workspace's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Looks at all files, or at those that a watcher was told of if that is enough, and reads those that changed. With
    /// `afresh` there is a candidate even if nothing did.
    pub(super) fn look(&mut self, settings: &Settings, mut watching: Option<Watching<'_>>, afresh: bool) -> Look {
        if afresh {
            self.last = None;
        }
        self.sandbox.begin(settings, watching.is_some());
        if self.builtins.is_none() {
            self.builtins = Some(read_builtins(self.builtin_files, &mut self.sandbox));
        }
        let mut changed = false;
        if let Some(paths) = watching.as_ref().and_then(|watching| self.only_known(watching)) {
            match self.look_at(&paths, settings, &mut watching) {
                Ok(look) => return look,
                Err(before) => changed = before,
            }
        }
        self.look_at_everything(settings, &mut watching, changed)
    }

    /// The files to look at, if a watcher was told of nothing but of new texts in files that are known: then all others are
    /// as they were.
    fn only_known(&self, watching: &Watching<'_>) -> Option<Vec<String>> {
        let last = self.last.as_ref().filter(|last| !last.aliases && !last.unfinished)?;
        let hints = watching.hints;
        if hints.all || hints.folders || hints.touched.is_empty() && last.unsettled.is_empty() {
            return None;
        }
        let mut paths: HashSet<String> = last.unsettled.clone();
        for full in &hints.touched {
            let path = full.strip_prefix(&self.root).ok()?.to_str()?;
            match fs::symlink_metadata(full) {
                Ok(_) => drop(paths.insert(path.to_owned())),
                // Some editors write to a file of another name first, which is gone by now.
                Err(_) if self.is_nothing(last, full, path) => {}
                Err(_) => return None,
            }
        }
        let known = |path: &String| {
            // What a `package.json` says may lead elsewhere.
            let known = self.entries.contains_key(path) && !path.ends_with("package.json");
            known && fs::symlink_metadata(self.root.join(path)).is_ok_and(|found| found.is_file())
        };
        paths.iter().all(known).then(|| {
            let mut paths: Vec<String> = paths.into_iter().collect();
            paths.sort();
            paths
        })
    }

    /// Whether a path that is gone never meant anything.
    fn is_nothing(&self, last: &Last, full: &Path, path: &str) -> bool {
        !self.entries.contains_key(path) && !last.others.contains(path) && !last.folders.contains_key(full)
    }

    /// Looks at a few files that are known. `Err` if that was not enough, with whether anything has changed so far.
    fn look_at(
        &mut self,
        paths: &[String],
        settings: &Settings,
        watching: &mut Option<Watching<'_>>,
    ) -> Result<Look, bool> {
        let mut pass = Pass {
            root: &self.root,
            entries: &mut self.entries,
            sandbox: &mut self.sandbox,
            watching: watching.as_mut(),
            most: settings.scripts.frame / 4,
            found: PassResult::default(),
        };
        for path in paths {
            let role = pass.entries.get(path).map(|entry| entry.role.clone());
            let (Some(role), Ok(metadata)) = (role, fs::metadata(self.root.join(path))) else {
                pass.settle();
                return Err(pass.found.changed);
            };
            pass.refresh(path, &role, Stamp::of(&metadata));
        }
        pass.settle();
        let found = pass.found;
        let Some(mut last) = self.last.take() else { return Err(found.changed) };
        last.unsettled = found.unsettled;
        if found.requires_changed || found.unwatched {
            self.last = Some(last);
            return Err(found.changed);
        }
        let candidate = found.changed.then(|| self.candidate(&last, settings));
        self.last = Some(last);
        Ok(Look { candidate, again: found.again, places: None })
    }

    /// Looks at all files. `changed` says that there is something new already.
    fn look_at_everything(&mut self, settings: &Settings, watching: &mut Option<Watching<'_>>, changed: bool) -> Look {
        let bounds = Bounds::new(&self.root, settings.links);
        let mut scan = scan(&bounds);
        let mut pass = Pass {
            root: &self.root,
            entries: &mut self.entries,
            sandbox: &mut self.sandbox,
            watching: watching.as_mut(),
            most: settings.scripts.frame / 4,
            found: PassResult { changed, ..PassResult::default() },
        };
        for file in &scan.files {
            pass.refresh(&file.path, &file.role, file.stamp);
        }
        pass.settle();
        pass.linger(&scan, false);
        pass.follow_requires(&bounds, &mut scan);
        pass.linger(&scan, true);
        let PassResult { mut changed, again, unsettled, unwatched, visited, seen, .. } = pass.found;
        let before = self.entries.len();
        self.entries.retain(|path, _| seen.contains(path));
        changed |= self.entries.len() != before;

        let places = std::mem::take(&mut scan.places);
        let aliases = self.aliases(&places.folders);
        let others = std::mem::take(&mut scan.others);
        let around = scan.surroundings();
        changed |= self.last.as_ref().is_none_or(|last| last.around != around);
        let unfinished = unwatched;
        let last = Last { around, visited, folders: places.folders.clone(), others, aliases, unsettled, unfinished };
        let candidate = changed.then(|| self.candidate(&last, settings));
        self.last = Some(last);
        Look { candidate, again, places: Some(places) }
    }

    fn aliases(&self, folders: &BTreeMap<PathBuf, Identity>) -> bool {
        let mut known: HashSet<Identity> = HashSet::new();
        let files = self.entries.values().map(|entry| &entry.stamp.identity);
        !folders.values().chain(files).all(|identity| known.insert(*identity))
    }

    fn candidate(&mut self, last: &Last, settings: &Settings) -> Candidate {
        self.version += 1;
        let (builtins, builtin_problems) =
            self.builtins.as_ref().map_or((&[][..], &[][..]), |(all, problems)| (all, problems));
        let mut problems = builtin_problems.to_vec();
        problems.extend(last.around.problems.iter().cloned());
        let mut items = Vec::with_capacity(last.visited.len());
        let mut flows = Flows::of(&last.around);
        for path in &last.visited {
            let Some((path, entry)) = self.entries.get_key_value(path) else { continue };
            flows.add(&entry.role, entry.loaded.as_ref().filter(|_| !entry.earlier), entry.loaded.is_some());
            problems.extend(
                entry.problems.iter().cloned().map(|problem| if entry.earlier { last_good(problem) } else { problem }),
            );
            if let Some(loaded) = &entry.loaded {
                if !entry.earlier {
                    problems.extend(loaded.remarks().iter().cloned());
                }
                items.push(Item { path, role: &entry.role, loaded });
            }
        }
        problems.extend(dead_requires(&items));
        let assembled = self.assembler.assemble(self.version, &items, builtins, &last.around, &settings.dialog);
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

#[cfg(test)]
mod tests;
