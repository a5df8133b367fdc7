//! Puts files together to a program: which hooks run for which bot and in what order, which file wins where several could.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};

use super::builtin::{Builtin, PREFIX, bot, bots};
use super::load::Loaded;
use super::scan::{Place, Scan};
use super::workspace::{ActionDocs, BotInfo};
use crate::config::redact::redact;
use crate::config::settings::DialogSettings;
use crate::model::BotId;
use crate::program::{BotProgram, Element, ErrorElement, Flow, HookKind, Program, Role, Script};

/// A file in service.
#[derive(Debug)]
pub(super) struct Item<'a> {
    pub(super) path: &'a str,
    pub(super) place: &'a Place,
    pub(super) loaded: &'a Loaded,
}

/// A program with what else is known of it.
#[derive(Debug)]
pub(super) struct Assembled {
    pub(super) program: Program,
    pub(super) bots: IndexMap<BotId, BotInfo>,
    /// What actions say of themselves, by their files.
    pub(super) docs: ActionDocs,
    pub(super) notices: Vec<String>,
}

/// Puts the files of a workspace together with the built-in ones. Content types get their ids later, from a worker.
pub(super) fn assemble(
    version: u64,
    items: &[Item<'_>],
    builtins: &[Builtin],
    scan: &Scan,
    dialog: &DialogSettings,
) -> Assembled {
    let mut notices = Vec::new();
    // A workspace without any bot is served with ours.
    let ours = if scan.bots.is_empty() { bots(builtins) } else { Default::default() };
    let mut all: Vec<Item<'_>> = items
        .iter()
        .filter(|item| !builtins.iter().any(|builtin| is_copy(item, builtin)))
        .map(|item| Item { path: item.path, place: item.place, loaded: item.loaded })
        .collect();
    for builtin in builtins {
        let wanted = match bot(&builtin.place) {
            Some(bot) => ours.contains(bot),
            None => !replaced(builtin, items, scan, &mut notices),
        };
        if wanted {
            all.push(Item { path: &builtin.path, place: &builtin.place, loaded: &builtin.loaded });
        }
    }
    let mut ours: Vec<&str> = ours.iter().map(|bot| bot.as_str()).collect();
    ours.sort_unstable();
    notices.extend(ours.iter().map(|bot| format!("there is no bot in bots/: the built-in {bot} is served")));

    let mut scripts: Vec<Arc<Script>> = Vec::new();
    let mut indices: HashMap<&str, u32> = HashMap::new();
    let mut docs = ActionDocs::new();
    for item in &all {
        if let Loaded::Script(loaded) = item.loaded {
            docs.extend(loaded.doc.iter().map(|doc| (Arc::clone(&loaded.script.path), Arc::clone(doc))));
            indices.insert(item.path, u32::try_from(scripts.len()).unwrap_or(u32::MAX));
            scripts.push(Arc::clone(&loaded.script));
        }
    }
    let index = |item: &Item<'_>| indices.get(item.path).copied();
    let global = BotProgram {
        hooks: hooks(&all, &index, None, scan),
        actions: actions(&all, &index, None),
        ..BotProgram::default()
    };
    let mut bots = IndexMap::new();
    for item in &all {
        if let Loaded::Bot(file) = item.loaded {
            bots.insert(file.info.id.clone(), file.info.clone());
        }
    }
    bots.sort_unstable_keys();
    let mut mounted = IndexMap::new();
    for info in bots.values().filter(|info| !info.disabled) {
        let program = BotProgram {
            config: to_raw_value(&redact(&info.config)).ok(),
            default_language: info.default_language.clone(),
            hooks: hooks(&all, &index, Some(&info.id), scan),
            actions: actions(&all, &index, Some(&info.id)),
            content_types: BTreeMap::new(),
            elements: elements(&all, &info.id).into(),
            flows: flows(&all, &info.id).into(),
            error_element: error_element(&info.config, dialog),
        };
        mounted.insert(info.id.to_string(), program);
    }
    Assembled { program: Program { version, scripts, global, bots: mounted }, bots, docs, notices }
}

/// Whether a workspace file stands in the place of a built-in one that is for all bots; says so if the two differ.
fn replaced(builtin: &Builtin, items: &[Item<'_>], scan: &Scan, notices: &mut Vec<String>) -> bool {
    let name = file_name(&builtin.path);
    let (what, by) = match &builtin.place {
        // Switched off: the built-in file must not come back in its stead.
        Place::Hook { kind, .. } if scan.disabled.contains(&(*kind, None, name.to_owned())) => {
            notices.push(format!("the built-in hook {}/{name} is switched off", kind.folder()));
            return true;
        }
        Place::Hook { kind, .. } => {
            let by = items.iter().find(|item| {
                matches!(item.place, Place::Hook { kind: other, bot: None } if other == kind)
                    && file_name(item.path) == name
            });
            ("hook", by)
        }
        Place::Action { name, .. } => {
            let by = items
                .iter()
                .find(|item| matches!(item.place, Place::Action { name: other, bot: None } if other == name));
            ("action", by)
        }
        // Content types are known by their ids, which are not known yet; the very same file is the same type, though.
        Place::ContentType => {
            let tail = builtin.path.strip_prefix(PREFIX).unwrap_or(&builtin.path);
            let same = |item: &&Item<'_>| {
                *item.place == Place::ContentType
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
    matches!(item.place, Place::Hook { bot: None, .. })
        && *item.place == builtin.place
        && file_name(item.path) == file_name(&builtin.path)
        && source(item.loaded) == source(&builtin.loaded)
}

fn source(loaded: &Loaded) -> Option<&str> {
    if let Loaded::Script(script) = loaded { Some(&script.script.source) } else { None }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The hooks of a bot, or those of no bot: one list of its own and the global ones, by file name, then by path.
fn hooks(
    all: &[Item<'_>],
    index: &dyn Fn(&Item<'_>) -> Option<u32>,
    whose: Option<&BotId>,
    scan: &Scan,
) -> BTreeMap<HookKind, Vec<u32>> {
    // A bot's own file takes the place of a built-in one for that bot, and switches it off in the same way.
    let mut taken: BTreeSet<(HookKind, &str)> = BTreeSet::new();
    if whose.is_some() {
        for item in all {
            if let Place::Hook { kind, bot } = item.place
                && bot.as_ref() == whose
            {
                taken.insert((*kind, file_name(item.path)));
            }
        }
        taken.extend(
            scan.disabled
                .iter()
                .filter(|(_, bot, _)| bot.as_ref() == whose)
                .map(|(kind, _, name)| (*kind, name.as_str())),
        );
    }
    let mut found: BTreeMap<HookKind, Vec<(&str, &str, u32)>> = BTreeMap::new();
    for item in all {
        let Place::Hook { kind, bot } = item.place else { continue };
        let name = file_name(item.path);
        let covered = item.path.starts_with(PREFIX) && bot.is_none() && taken.contains(&(*kind, name));
        if (bot.is_none() || bot.as_ref() == whose)
            && !covered
            && let Some(index) = index(item)
        {
            found.entry(*kind).or_default().push((name, item.path, index));
        }
    }
    found
        .into_iter()
        .map(|(kind, mut hooks)| {
            hooks.sort_unstable();
            (kind, hooks.into_iter().map(|(_, _, index)| index).collect())
        })
        .collect()
}

/// Actions by name: built-in, over them global, over them the bot's own.
fn actions(all: &[Item<'_>], index: &dyn Fn(&Item<'_>) -> Option<u32>, whose: Option<&BotId>) -> BTreeMap<String, u32> {
    let mut actions = BTreeMap::new();
    for own in [false, true] {
        for item in all {
            if let Place::Action { name, bot } = item.place
                && bot.is_some() == own
                && (bot.is_none() || bot.as_ref() == whose)
                && let Some(index) = index(item)
            {
                actions.insert(name.clone(), index);
            }
        }
    }
    actions
}

fn elements(all: &[Item<'_>], whose: &BotId) -> BTreeMap<String, Element> {
    let mut elements = BTreeMap::new();
    for item in all {
        if let (Place::Elements { bot, .. }, Loaded::Elements(file)) = (item.place, item.loaded)
            && bot == whose
        {
            elements.extend(file.elements.iter().cloned());
        }
    }
    elements
}

fn flows(all: &[Item<'_>], whose: &BotId) -> BTreeMap<String, Flow> {
    let flows = all.iter().filter_map(|item| match (item.place, item.loaded) {
        (Place::Flow { bot, name }, Loaded::Flow(file)) if bot == whose => Some((name.clone(), file.flow.clone())),
        _ => None,
    });
    flows.collect()
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
