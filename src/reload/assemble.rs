//! Puts files together to a program: which hooks run for which bot and in what order, which file wins where several could.
//! What was made of a bot is kept, and used again for as long as its files and those of all bots are the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};

use super::builtin::{Builtin, PREFIX, bots};
use super::load::Loaded;
use super::scan::Surroundings;
use super::workspace::{ActionDocs, BotInfo};
use crate::config::settings::DialogSettings;
use crate::model::BotId;
use crate::program::identity::{PartId, Shared, Summing};
use crate::program::{BotProgram, Element, ErrorElement, Flow, HookKind, Program, Role, Script};
use crate::reading::FileRole;

/// A file in service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) path: &'a str,
    pub(super) role: &'a FileRole,
    pub(super) loaded: &'a Loaded,
}

/// A program with what else is known of it.
#[derive(Debug)]
pub(super) struct Assembled {
    pub(super) program: Program,
    pub(super) bots: IndexMap<BotId, Arc<BotInfo>>,
    /// What actions say of themselves, by their files.
    pub(super) docs: ActionDocs,
    pub(super) notices: Vec<String>,
}

/// Puts files together again and again.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    base: Base,
    bots: HashMap<BotId, Made>,
}

/// What every bot has.
#[derive(Debug, Default, Clone)]
struct Base {
    /// Hooks of all bots: kind, name of the file, path, index.
    hooks: Vec<(HookKind, String, String, u32)>,
    /// The same by kind, for bots that have none of their own.
    by_kind: Shared<BTreeMap<HookKind, Vec<u32>>>,
    actions: Shared<BTreeMap<String, u32>>,
    /// What the configuration of the server says of dialogs.
    dialog: DialogSettings,
}

/// What was made of a bot, and of what.
#[derive(Debug)]
struct Made {
    of: Vec<(Loaded, u32)>,
    disabled: Vec<(HookKind, String)>,
    program: BotProgram,
}

/// The files of a bot.
#[derive(Debug, Default)]
struct Own<'a> {
    files: Vec<(Item<'a>, u32)>,
    /// Hooks that it switches off.
    disabled: Vec<(HookKind, String)>,
}

impl Assembler {
    /// Puts the files of a workspace together with the built-in ones. Content types get their ids later, from a worker.
    pub(super) fn assemble(
        &mut self,
        version: u64,
        items: &[Item<'_>],
        builtins: &[Builtin],
        around: &Surroundings,
        dialog: &DialogSettings,
    ) -> Assembled {
        let mut notices = Vec::new();
        let all = with_builtins(items, builtins, around, &mut notices);
        let mut scripts: Vec<Arc<Script>> = Vec::with_capacity(all.len());
        let mut docs = ActionDocs::new();
        let mut bots = IndexMap::new();
        let mut global: Vec<(Item<'_>, u32)> = Vec::new();
        let mut own: HashMap<&BotId, Own<'_>> = HashMap::new();
        for item in &all {
            let mut index = u32::MAX;
            match item.loaded {
                Loaded::Script(loaded) => {
                    docs.extend(loaded.doc.iter().map(|doc| (Arc::clone(&loaded.script.path), Arc::clone(doc))));
                    index = u32::try_from(scripts.len()).unwrap_or(u32::MAX);
                    scripts.push(Arc::clone(&loaded.script));
                }
                Loaded::Bot(file) => drop(bots.insert(file.info.id.clone(), Arc::clone(&file.info))),
                Loaded::Elements(_) | Loaded::Flow(_) => {}
            }
            match item.role.bot() {
                Some(bot) => own.entry(bot).or_default().files.push((*item, index)),
                None => global.push((*item, index)),
            }
        }
        for (kind, bot, name) in &around.disabled {
            if let Some(own) = bot.as_ref().and_then(|bot| own.get_mut(bot)) {
                own.disabled.push((*kind, name.clone()));
            }
        }
        bots.sort_unstable_keys();
        let same = self.renew_base(&global, dialog);
        let mut mounted = IndexMap::with_capacity(bots.len());
        let mut made = HashMap::with_capacity(bots.len());
        for info in bots.values().filter(|info: &&Arc<BotInfo>| !info.disabled) {
            let Some(mut own) = own.remove(&info.id) else { continue };
            own.disabled.sort_unstable();
            let last = self.bots.remove(&info.id);
            let one = match last {
                Some(last) if same && last.is_of(&own) => last,
                last => Made::of(&self.base, own, last.map(|last| last.program)),
            };
            mounted.insert(info.id.to_string(), one.program.clone());
            made.insert(info.id.clone(), one);
        }
        self.bots = made;
        let global = BotProgram {
            hooks: self.base.by_kind.clone(),
            actions: self.base.actions.clone(),
            ..BotProgram::default()
        };
        Assembled { program: Program { version, scripts, global, bots: mounted }, bots, docs, notices }
    }

    /// Puts together what every bot has; whether it is the same as before.
    fn renew_base(&mut self, global: &[(Item<'_>, u32)], dialog: &DialogSettings) -> bool {
        let mut hooks = Vec::new();
        let mut actions = BTreeMap::new();
        for (item, index) in global.iter().filter(|(_, index)| *index != u32::MAX) {
            match item.role {
                FileRole::Hook { kind, .. } => {
                    hooks.push((*kind, file_name(item.path).to_owned(), item.path.to_owned(), *index));
                }
                FileRole::Action { name, .. } => drop(actions.insert(name.clone(), *index)),
                _ => {}
            }
        }
        hooks.sort_unstable();
        let base = &mut self.base;
        let same = (&base.hooks, &*base.actions, &base.dialog) == (&hooks, &actions, dialog);
        if !same {
            let by_kind = by_kind(hooks.iter().map(|(kind, _, _, index)| (*kind, *index)));
            *base = Base { hooks, by_kind: by_kind.into(), actions: actions.into(), dialog: dialog.clone() };
        }
        same
    }
}

fn by_kind(hooks: impl Iterator<Item = (HookKind, u32)>) -> BTreeMap<HookKind, Vec<u32>> {
    let mut found: BTreeMap<HookKind, Vec<u32>> = BTreeMap::new();
    for (kind, index) in hooks {
        found.entry(kind).or_default().push(index);
    }
    found
}

impl Made {
    /// What a bot runs; `last` is what it ran before.
    fn of(base: &Base, own: Own<'_>, last: Option<BotProgram>) -> Self {
        let mut program = BotProgram {
            hooks: own.hooks(base),
            actions: own.actions(base),
            elements: own.elements(last.as_ref().map(|last| &last.elements)),
            flows: own.flows(last.as_ref().map(|last| &last.flows)),
            ..BotProgram::default()
        };
        for (item, _) in &own.files {
            if let Loaded::Bot(file) = item.loaded {
                program.config.clone_from(&file.redacted);
                program.default_language.clone_from(&file.info.default_language);
                program.error_element = error_element(&file.info.config, &base.dialog);
            }
        }
        let of = own.files.iter().map(|(item, index)| (item.loaded.clone(), *index)).collect();
        Self { of, disabled: own.disabled, program }
    }

    /// Whether it was made of these very files.
    fn is_of(&self, own: &Own<'_>) -> bool {
        let same = |((loaded, index), (item, other)): (&(Loaded, u32), &(Item<'_>, u32))| {
            index == other && loaded.is(item.loaded)
        };
        self.of.len() == own.files.len() && self.of.iter().zip(&own.files).all(same) && self.disabled == own.disabled
    }
}

impl Own<'_> {
    /// The hooks of the bot: one list of its own and those of all, by file name, then by path.
    fn hooks(&self, base: &Base) -> Shared<BTreeMap<HookKind, Vec<u32>>> {
        let own = self.files.iter().filter_map(|(item, index)| match item.role {
            FileRole::Hook { kind, .. } if *index != u32::MAX => Some((*kind, file_name(item.path), item.path, *index)),
            _ => None,
        });
        let mut hooks: Vec<(HookKind, &str, &str, u32)> = own.collect();
        // A bot's own file takes the place of a built-in one for that bot, and switches it off in the same way.
        let mut taken: BTreeSet<(HookKind, &str)> = hooks.iter().map(|(kind, name, ..)| (*kind, *name)).collect();
        taken.extend(self.disabled.iter().map(|(kind, name)| (*kind, name.as_str())));
        if taken.is_empty() {
            return base.by_kind.clone();
        }
        let covered =
            |kind: HookKind, name: &str, path: &str| path.starts_with(PREFIX) && taken.contains(&(kind, name));
        for (kind, name, path, index) in &base.hooks {
            if !covered(*kind, name, path) {
                hooks.push((*kind, name, path, *index));
            }
        }
        hooks.sort_unstable();
        by_kind(hooks.into_iter().map(|(kind, _, _, index)| (kind, index))).into()
    }

    /// Actions by name: built-in, over them global, over them the bot's own.
    fn actions(&self, base: &Base) -> Shared<BTreeMap<String, u32>> {
        let mut actions = base.actions.clone();
        for (item, index) in self.files.iter().filter(|(_, index)| *index != u32::MAX) {
            if let FileRole::Action { name, .. } = item.role {
                actions.insert(name.clone(), *index);
            }
        }
        actions
    }

    fn elements(&self, last: Option<&Shared<BTreeMap<String, Element>>>) -> Shared<BTreeMap<String, Element>> {
        let files = || {
            self.files.iter().filter_map(|(item, _)| match item.loaded {
                Loaded::Elements(file) => Some(file),
                _ => None,
            })
        };
        shared(files().map(|file| file.part), last, || files().flat_map(|file| file.elements.iter().cloned()).collect())
    }

    fn flows(&self, last: Option<&Shared<BTreeMap<String, Flow>>>) -> Shared<BTreeMap<String, Flow>> {
        let files = || {
            self.files.iter().filter_map(|(item, _)| match (item.role, item.loaded) {
                (FileRole::Flow { name, .. }, Loaded::Flow(file)) => Some((name, file)),
                _ => None,
            })
        };
        shared(files().map(|(_, file)| file.part), last, || {
            files().map(|(name, file)| (name.clone(), file.flow.clone())).collect()
        })
    }
}

/// What files come to, the last one if they are the same.
fn shared<T: serde::Serialize>(
    parts: impl Iterator<Item = PartId>,
    last: Option<&Shared<T>>,
    value: impl FnOnce() -> T,
) -> Shared<T> {
    let mut sum = Summing::default();
    for part in parts {
        sum.identity(part.bytes());
    }
    let part = PartId::from(sum);
    match last {
        Some(last) if last.part() == part => last.clone(),
        _ => Shared::new(value(), part),
    }
}

/// The files of a workspace with the built-in ones that are in service.
fn with_builtins<'a>(
    items: &[Item<'a>],
    builtins: &'a [Builtin],
    around: &Surroundings,
    notices: &mut Vec<String>,
) -> Vec<Item<'a>> {
    // A workspace without any bot is served with ours.
    let ours = if around.bots.is_empty() { bots(builtins) } else { Default::default() };
    let copy = |item: &Item<'_>| {
        matches!(item.role, FileRole::Hook { bot: None, .. }) && builtins.iter().any(|builtin| is_copy(item, builtin))
    };
    let mut all: Vec<Item<'a>> = items.iter().filter(|item| !copy(item)).copied().collect();
    let of_all = |item: &&Item<'a>| {
        matches!(
            item.role,
            FileRole::Hook { bot: None, .. } | FileRole::Action { bot: None, .. } | FileRole::ContentType
        )
    };
    let of_all: Vec<Item<'a>> = items.iter().filter(of_all).copied().collect();
    for builtin in builtins {
        let wanted = match builtin.role.bot() {
            Some(bot) => ours.contains(bot),
            None => !replaced(builtin, &of_all, around, notices),
        };
        if wanted {
            all.push(Item { path: &builtin.path, role: &builtin.role, loaded: &builtin.loaded });
        }
    }
    let mut ours: Vec<&str> = ours.iter().map(|bot| bot.as_str()).collect();
    ours.sort_unstable();
    notices.extend(ours.iter().map(|bot| format!("there is no bot in bots/: the built-in {bot} is served")));
    all
}

/// Whether a workspace file stands in the place of a built-in one that is for all bots; says so if the two differ.
fn replaced(builtin: &Builtin, items: &[Item<'_>], around: &Surroundings, notices: &mut Vec<String>) -> bool {
    let name = file_name(&builtin.path);
    let (what, by) = match &builtin.role {
        // Switched off: the built-in file must not come back in its stead.
        FileRole::Hook { kind, .. } if around.disabled.contains(&(*kind, None, name.to_owned())) => {
            notices.push(format!("the built-in hook {}/{name} is switched off", kind.folder()));
            return true;
        }
        FileRole::Hook { kind, .. } => {
            let by = items.iter().find(|item| {
                matches!(item.role, FileRole::Hook { kind: other, bot: None } if other == kind)
                    && file_name(item.path) == name
            });
            ("hook", by)
        }
        FileRole::Action { name, .. } => {
            let by = items
                .iter()
                .find(|item| matches!(item.role, FileRole::Action { name: other, bot: None } if other == name));
            ("action", by)
        }
        // Content types are known by their ids, which are not known yet; the very same file is the same type, though.
        FileRole::ContentType => {
            let tail = builtin.path.strip_prefix(PREFIX).unwrap_or(&builtin.path);
            let same = |item: &&Item<'_>| {
                *item.role == FileRole::ContentType
                    && (item.path == tail || item.path.ends_with(&format!("/{tail}")))
                    && source(item.loaded) == source(&builtin.loaded)
            };
            ("content type", items.iter().find(same))
        }
        _ => return false,
    };
    if by.is_some_and(|by| is_copy(by, builtin)) {
        return false;
    }
    if let Some(by) = by
        && source(by.loaded) != source(&builtin.loaded)
    {
        notices.push(format!("{} replaces the built-in {what} of that name", by.path));
    }
    by.is_some()
}

/// Whether a file is a built-in hook word for word, as all of them are in a checkout of the server. The built-in one
/// stays in service then: the log knows it by its path, and is silent about it while it does nothing.
fn is_copy(item: &Item<'_>, builtin: &Builtin) -> bool {
    matches!(item.role, FileRole::Hook { bot: None, .. })
        && *item.role == builtin.role
        && file_name(item.path) == file_name(&builtin.path)
        && source(item.loaded) == source(&builtin.loaded)
}

fn source(loaded: &Loaded) -> Option<&str> {
    if let Loaded::Script(script) = loaded { Some(&script.script.source) } else { None }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What is said when a flow or a node is missing: as the bot's configuration has it, else as that of all bots.
fn error_element(config: &Map<String, Value>, dialog: &DialogSettings) -> Option<ErrorElement> {
    let own = config.get("dialog").and_then(|dialog| dialog.get("error"));
    let own_type = own.and_then(|error| error.get("contentType")).and_then(Value::as_str);
    let own_args = own.and_then(|error| error.get("args")).and_then(Value::as_object);
    // Arguments belong to their content type.
    let args = if own_type.is_some() { own_args } else { own_args.or(dialog.error_args.as_ref()) };
    let content_type = own_type.or(dialog.error_content_type.as_deref()).filter(|name| !name.is_empty())?;
    let args = to_raw_value(&args.cloned().unwrap_or_default()).ok()?;
    Some(ErrorElement { content_type: content_type.to_owned(), args })
}

/// The program without the scripts that `keep` does not name; what pointed at them is left out as well.
pub(super) fn without(mut program: Program, keep: &dyn Fn(&Script) -> bool) -> Program {
    let mut kept = 0;
    let moved: Vec<Option<u32>> = program
        .scripts
        .iter()
        .map(|script| {
            keep(script).then(|| {
                kept += 1;
                kept - 1
            })
        })
        .collect();
    if kept as usize == program.scripts.len() {
        return program;
    }
    let to = |index: u32| moved.get(index as usize).copied().flatten();
    for bot in program.bots.values_mut().chain([&mut program.global]) {
        for hooks in bot.hooks.values_mut() {
            *hooks = hooks.iter().filter_map(|index| to(*index)).collect();
        }
        bot.hooks.retain(|_, hooks| !hooks.is_empty());
        for map in [&mut bot.actions, &mut bot.content_types] {
            let map = &mut **map;
            *map = std::mem::take(map).into_iter().filter_map(|(name, index)| Some((name, to(index)?))).collect();
        }
    }
    let mut position = 0;
    program.scripts.retain(|_| {
        position += 1;
        moved[position - 1].is_some()
    });
    program
}

/// Whether a script is a content type.
pub(super) fn is_content_type(script: &Script) -> bool {
    script.role == Role::ContentType
}
