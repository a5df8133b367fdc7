//! Finds the files of a workspace: which there are, what each is for, and in which folders they lie.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::bounds::{Bounds, Real};
use super::places::{Identity, Places, Stamp};
use crate::config::Problem;
use crate::config::layout::{BOTS, GLOBAL, join};
use crate::config::nearest::nearest;
use crate::model::BotId;
use crate::program::flow::SUFFIX as FLOW;
use crate::program::resolve::is_configuration;
use crate::program::{HOOK_KINDS, HookKind};
use crate::reading::FileRole;

/// Deepest folder that is looked into.
const DEEPEST: usize = 24;

/// The folder of a bot's files, which are no part of what it does.
const MEDIA: &str = "media";

/// A file.
#[derive(Debug, Clone)]
pub(super) struct FoundFile {
    /// Relative to the workspace, with `/`.
    pub(super) path: String,
    pub(super) role: FileRole,
    pub(super) stamp: Stamp,
}

/// All of a workspace's files.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// In the order of their paths within each root.
    pub(super) files: Vec<FoundFile>,
    /// Hooks that are switched off: kind, bot, and name without its leading dot.
    pub(super) disabled: HashSet<(HookKind, Option<BotId>, String)>,
    /// Bot folders, with or without a configuration.
    pub(super) bots: BTreeMap<BotId, String>,
    /// What is to be watched.
    pub(super) places: Places,
    /// Identities of all files seen, those switched off as well: tells a renamed file from a deleted one.
    pub(super) identities: HashSet<Identity>,
    /// What lies in the folders that were looked into.
    pub(super) listings: HashMap<String, Listing>,
    /// Paths of all files seen.
    pub(super) others: HashSet<String>,
    pub(super) problems: Vec<Problem>,
}

/// What lies in a folder.
#[derive(Debug)]
pub(super) struct Listing {
    /// Where it really is.
    pub(super) real: Real,
    pub(super) entries: HashMap<String, Kind>,
}

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// Where it leads is to be seen.
    Link,
}

impl Kind {
    /// Nothing for pipes and devices.
    pub(super) fn of(kind: fs::FileType) -> Option<Self> {
        match () {
            () if kind.is_file() => Some(Self::File),
            () if kind.is_dir() => Some(Self::Folder),
            () if kind.is_symlink() => Some(Self::Link),
            () => None,
        }
    }
}

/// The way of one walk.
#[derive(Debug, Default)]
struct Way {
    /// Folders that are being looked into.
    above: Vec<Identity>,
    /// One of them was come to by a link.
    linked: bool,
    /// How often each was come to by links.
    visits: HashMap<Identity, usize>,
}

/// What besides files makes a program.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Surroundings {
    /// As in [`Scan`].
    pub(super) disabled: HashSet<(HookKind, Option<BotId>, String)>,
    /// As in [`Scan`].
    pub(super) bots: BTreeMap<BotId, String>,
    /// As in [`Scan`].
    pub(super) problems: Vec<Problem>,
}

/// Looks through a workspace. What is not there is no error.
pub(super) fn scan(root: &Bounds) -> Scan {
    let mut scan = Scan::default();
    for folder in GLOBAL {
        scan.scripts(root, folder, None);
        scan.content_types(root, &join(folder, "content-types"));
    }
    for folder in BOTS {
        scan.bots(root, folder);
    }
    scan
}

/// The folders that scripts may lie in, whether or not they are there yet.
pub(super) fn roots(root: &Path) -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = BOTS.iter().map(|folder| root.join(folder)).collect();
    for folder in GLOBAL {
        roots.extend(["hooks", "actions", "content-types"].map(|name| root.join(join(folder, name))));
    }
    roots
}

impl Scan {
    pub(super) fn surroundings(self) -> Surroundings {
        Surroundings { disabled: self.disabled, bots: self.bots, problems: self.problems }
    }

    /// `hooks/` and `actions/` of one bot or of all.
    fn scripts(&mut self, root: &Bounds, folder: &str, bot: Option<&BotId>) {
        let hooks = join(folder, "hooks");
        for entry in self.list(root, &hooks) {
            if !entry.is_folder {
                if is_script(&entry.name) {
                    self.problems.push(
                        Problem::warning(&entry.path, "not run: a hook lies in the folder of its kind")
                            .help(format!("move it to {hooks}/before_incoming_middleware/, for instance")),
                    );
                }
                continue;
            }
            match HookKind::from_folder(&entry.name) {
                Some(kind) => self.walk(root, &entry.path, is_script, &mut Way::default(), &mut |scan, entry| {
                    if let Some(name) = entry.name.strip_prefix('.') {
                        scan.disabled.insert((kind, bot.cloned(), name.to_owned()));
                    } else {
                        scan.problems.extend(never_called(&entry, kind));
                        scan.files.push(entry.found(FileRole::Hook { kind, bot: bot.cloned() }));
                    }
                }),
                None if self.holds_scripts(root, &entry.path) => self.problems.push(unknown_kind(&entry, &hooks)),
                None => {}
            }
        }
        let actions = join(folder, "actions");
        self.walk(root, &actions, is_script, &mut Way::default(), &mut |scan, entry| {
            if !entry.name.starts_with('.') {
                let below = entry.path[actions.len() + 1..].trim_end_matches(".js");
                let role = FileRole::Action { name: below.to_owned(), bot: bot.cloned() };
                scan.files.push(entry.found(role));
            }
        });
    }

    fn content_types(&mut self, root: &Bounds, folder: &str) {
        self.walk(root, folder, is_script, &mut Way::default(), &mut |scan, entry| match entry.name.chars().next() {
            Some('.') => {}
            Some('_') => scan.files.push(entry.found(FileRole::Module)),
            _ => scan.files.push(entry.found(FileRole::ContentType)),
        });
    }

    fn bots(&mut self, root: &Bounds, folder: &str) {
        for entry in self.list(root, folder) {
            if !entry.is_folder || entry.name.starts_with('.') {
                continue;
            }
            let bot = match BotId::parse(&entry.name) {
                Ok(bot) => bot,
                Err(error) => {
                    self.problems.push(
                        Problem::error(&entry.path, error.to_string())
                            .help("rename the folder: its name is the bot's id"),
                    );
                    continue;
                }
            };
            let files = self.list(root, &entry.path);
            // What visitors sent to a bot that is part of the server lies there.
            if matches!(&files[..], [only] if only.name == MEDIA && only.is_folder) {
                continue;
            }
            if let Some(first) = self.bots.get(&bot) {
                self.problems.push(
                    Problem::error(&entry.path, format!("not mounted: {first} has the same id"))
                        .help("ids do not differ by case; rename one of the two"),
                );
                continue;
            }
            self.bots.insert(bot.clone(), entry.path.clone());
            let mut configured = false;
            for file in files {
                if file.name == "bot.config.json" && !file.is_folder {
                    configured = true;
                    self.files.push(file.found(FileRole::Bot { bot: bot.clone() }));
                }
            }
            if !configured {
                self.problems.push(Problem::warning(&entry.path, "not mounted: there is no bot.config.json").help(
                    format!("write {{ \"id\": \"{bot}\", \"name\": \"{bot}\" }} to {}/bot.config.json", entry.path),
                ));
                continue;
            }
            for file in self.list(root, &join(&entry.path, "content-elements")) {
                if let Some(content_type) = file.name.strip_suffix(".json")
                    && !file.is_folder
                    && !file.name.starts_with('.')
                {
                    let content_type = content_type.to_owned();
                    self.files.push(file.found(FileRole::Elements { bot: bot.clone(), content_type }));
                }
            }
            self.flows(root, &join(&entry.path, "flows"), &bot);
            self.scripts(root, &entry.path, Some(&bot));
        }
    }

    fn flows(&mut self, root: &Bounds, folder: &str, bot: &BotId) {
        self.walk(root, folder, is_json, &mut Way::default(), &mut |scan, entry| {
            // What the editor knows of a flow, and nobody else needs.
            if entry.name.starts_with('.') || entry.name.ends_with(".ui.json") {
                return;
            }
            if !entry.name.ends_with(FLOW) {
                scan.problems.push(
                    Problem::warning(&entry.path, "not read: it is no flow by its name")
                        .help(format!("the names of flows end with {FLOW}")),
                );
                return;
            }
            let role = FileRole::Flow { bot: bot.clone(), name: entry.path[folder.len() + 1..].to_owned() };
            scan.files.push(entry.found(role));
        });
    }

    /// All files below a folder whose names fit, sub-folders included, but what lies in `node_modules` and in folders with a leading dot.
    /// A link back to a folder that it lies in is not followed, or its hooks would run again and again.
    fn walk(
        &mut self,
        root: &Bounds,
        folder: &str,
        fits: fn(&str) -> bool,
        way: &mut Way,
        each: &mut dyn FnMut(&mut Self, Entry),
    ) {
        let entries = self.list(root, folder);
        let Some(identity) = self.places.folders.get(&root.root().join(folder)).copied() else { return };
        if way.above.contains(&identity) || way.above.len() > DEEPEST {
            return;
        }
        // Where it really lies a folder is looked into in any case.
        if way.linked {
            let visits = way.visits.entry(identity).or_default();
            *visits += 1;
            if *visits > root.most_paths() {
                if *visits == root.most_paths() + 1 {
                    self.problems.push(too_many_paths(folder, root.most_paths()));
                }
                return;
            }
        }
        way.above.push(identity);
        for entry in entries {
            if entry.is_folder {
                if entry.name != "node_modules" && !entry.name.starts_with('.') {
                    let linked = way.linked;
                    way.linked |= entry.is_link;
                    self.walk(root, &entry.path, fits, way, each);
                    way.linked = linked;
                }
            } else if fits(&entry.name) {
                if entry.real.as_deref().is_some_and(is_configuration) {
                    self.problems.push(Problem::error(&entry.path, "not read: it is a link to configuration"));
                    continue;
                }
                each(self, entry);
            }
        }
        way.above.pop();
    }

    /// A folder's files and folders by name; empty if it is not there.
    fn list(&mut self, root: &Bounds, folder: &str) -> Vec<Entry> {
        let path = root.root().join(folder);
        // One that may not be read is watched for the moment when it may.
        self.places.folder(&path);
        let entries = match fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) => {
                if !matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) {
                    self.problems.push(Problem::error(folder, format!("cannot be read: {error}")));
                }
                return Vec::new();
            }
        };
        let mut listing = Listing { real: root.real(folder), entries: HashMap::new() };
        if listing.real == Real::Outside {
            self.problems.push(leads_out(folder));
            return Vec::new();
        }
        let mut found = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                let shown = join(folder, &name.to_string_lossy());
                self.problems.push(Problem::warning(shown, "not read: its name is not UTF-8"));
                continue;
            };
            if let Some(kind) = entry.file_type().ok().and_then(Kind::of) {
                listing.entries.insert(name.to_owned(), kind);
            }
            // Links are followed; one that leads nowhere is no file.
            let full = path.join(name);
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let Ok(metadata) = fs::metadata(&full) else {
                if is_link {
                    self.places.link(&full, None, None);
                }
                continue;
            };
            // Pipes and devices are left alone: reading them may never end.
            if !metadata.is_dir() && !metadata.is_file() {
                continue;
            }
            let stamp = Stamp::of(&metadata);
            let mut real = None;
            if is_link {
                match self.led_by(root, &join(folder, name), metadata.is_dir(), stamp) {
                    Some(inside) => real = inside,
                    None => continue,
                }
            }
            if metadata.is_file() {
                self.identities.insert(stamp.identity);
                self.others.insert(join(folder, name));
            }
            let (name, path) = (name.to_owned(), join(folder, name));
            found.push(Entry { path, name, is_folder: metadata.is_dir(), is_link, stamp, real });
        }
        self.listings.insert(folder.to_owned(), listing);
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// Where in the workspace a link leads, if it leads into it; nothing at all if it is not followed.
    fn led_by(&mut self, root: &Bounds, link: &str, to_folder: bool, stamp: Stamp) -> Option<Option<String>> {
        let (full, led) = (root.root().join(link), root.real(link));
        let file = root.full(&full, &led).filter(|_| !to_folder);
        self.places.link(&full, Some(stamp.identity), file);
        match led {
            Real::Inside(path) => Some(Some(path)),
            Real::Allowed => Some(None),
            // That is said of a folder once it is looked into.
            Real::Outside if to_folder => Some(None),
            Real::Outside => {
                if is_script(link) || is_json(link) {
                    self.problems.push(leads_out(link));
                }
                None
            }
            Real::Nowhere => None,
        }
    }

    fn holds_scripts(&mut self, root: &Bounds, folder: &str) -> bool {
        let mut any = false;
        self.walk(root, folder, is_script, &mut Way::default(), &mut |_, _| any = true);
        any
    }
}

fn too_many_paths(path: &str, most: usize) -> Problem {
    Problem::error(
        path,
        format!("not read: links lead to this folder by more than {most} paths (`scripts.pathsToFolder`)"),
    )
    .help("remove links to folders that hold links themselves, or raise the limit in botpress.config.json")
}

fn leads_out(path: &str) -> Problem {
    Problem::error(path, "not read: it is a link that leads out of the workspace")
        .help("copy what it leads to, or set \"scripts\": { \"linksOutside\": true } in botpress.config.json")
}

/// A hook that waits for a feature is loaded like any other, but its author should know.
fn never_called(entry: &Entry, kind: HookKind) -> Option<Problem> {
    let message = || format!("not run yet: this version calls no {} hooks", kind.folder());
    (!kind.row().called).then(|| Problem::warning(&entry.path, message()))
}

fn unknown_kind(entry: &Entry, hooks: &str) -> Problem {
    let problem = Problem::warning(&entry.path, format!("not run: there is no kind of hook {:?}", entry.name));
    match nearest(&entry.name, HOOK_KINDS.iter().map(|row| row.folder)) {
        Some(near) => problem.help(format!("did you mean {hooks}/{near}?")),
        None => problem
            .help(format!("the kinds are {}", HOOK_KINDS.iter().map(|row| row.folder).collect::<Vec<_>>().join(", "))),
    }
}

/// An entry of a folder.
#[derive(Debug)]
struct Entry {
    path: String,
    name: String,
    is_folder: bool,
    is_link: bool,
    stamp: Stamp,
    /// If it is a link, where in the workspace it leads.
    real: Option<String>,
}

impl Entry {
    fn found(self, role: FileRole) -> FoundFile {
        FoundFile { path: self.path, role, stamp: self.stamp }
    }
}

fn is_script(name: &str) -> bool {
    name.ends_with(".js")
}

fn is_json(name: &str) -> bool {
    name.ends_with(".json")
}

#[cfg(test)]
mod tests;
