//! From files that could be read to a workspace in service: a worker compiles the candidate, and of each file that it
//! refuses the last good version stays.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::value::RawValue;

use super::assemble::{is_content_type, without};
use super::builtin::PREFIX;
use super::flow_check::{Flows, check_flows};
use super::workspace::{ActionDocs, BotInfo, Workspace};
use crate::code_frame::code_frame;
use crate::config::Problem;
use crate::model::BotId;
use crate::program::{Program, Role, Script};
use crate::protocol::messages::{CompileFailure, Compiled};

/// A workspace as its files are, before a worker has compiled its scripts.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The workspace's folder.
    pub root: PathBuf,
    /// What is to be compiled. Its content types have no ids yet.
    pub program: Arc<Program>,
    /// Bots by id, disabled ones too.
    pub bots: IndexMap<BotId, Arc<BotInfo>>,
    /// What is wrong so far.
    pub problems: Vec<Problem>,
    /// What is good to know.
    pub notices: Vec<String>,
    /// The flows, to be checked against what they use once that is known.
    pub(super) flows: Flows,
    /// What actions say of themselves, by their files.
    pub(super) action_docs: ActionDocs,
}

/// Makes a candidate a workspace: content types get their ids from `compiled`; a script that failed is replaced by its
/// version in `before`, or left out if there is none.
pub fn finish(candidate: Candidate, compiled: &Compiled, before: Option<&Workspace>) -> Workspace {
    let Candidate { root, program, bots, mut problems, mut notices, flows, mut action_docs } = candidate;
    let last = before.map(|workspace| &*workspace.program);
    let mut program = Arc::unwrap_or_clone(program);
    let mut ids: HashMap<u32, (&str, Option<&RawValue>)> =
        compiled.content_types.iter().map(|info| (info.script, (info.id.as_str(), Some(&*info.meta)))).collect();
    let mut dropped: HashSet<Arc<str>> = HashSet::new();
    let mut fell_back = false;
    let mut known: HashSet<String> = problems.iter().filter(|one| one.fatal).map(|one| one.path.clone()).collect();
    let earlier = last.filter(|_| !compiled.failures.is_empty()).map(by_plain_path).unwrap_or_default();
    for failure in &compiled.failures {
        let Some(script) = program.scripts.get_mut(failure.script as usize) else { continue };
        // Of a file whose newest text the parser refused, an earlier one was compiled: that is no news.
        let problem = (!known.contains(&*script.path)).then(|| problem_of(failure, script));
        known.extend(problem.iter().map(|problem| problem.path.clone()));
        let earlier = earlier.get(&*script.path).into_iter().flatten().find(|old| old.role == script.role);
        match earlier {
            Some(earlier) => {
                problems.extend(problem.map(last_good));
                *script = Arc::clone(earlier);
                fell_back = true;
                let doc = before.and_then(|workspace| workspace.action_docs.get(&script.path));
                action_docs.extend(doc.map(|doc| (Arc::clone(&script.path), Arc::clone(doc))));
                if let Some((id, index)) =
                    last.and_then(|last| id_of(last, &script.path)).map(|id| (id, failure.script))
                {
                    let meta = before.and_then(|workspace| workspace.content_types.get(id)).map(|meta| &**meta);
                    ids.insert(index, (id, meta));
                }
            }
            None => {
                problems.extend(problem);
                dropped.insert(Arc::clone(&script.path));
            }
        }
    }
    if fell_back && let Some(last) = last {
        add_modules(&mut program, last);
    }
    let content_types = name_content_types(&mut program, &ids, &mut problems, &mut notices);
    let uncompiled = uncompiled_actions(&program, &dropped);
    let program = without(program, &|script| !dropped.contains(&script.path));
    let hints = check_flows(&program, &flows, &uncompiled, &mut problems);
    // In the order in which people read the files; "and 20 more" has no line.
    let place = |one: &Problem| (one.line.unwrap_or(u32::MAX), one.column.unwrap_or(u32::MAX));
    problems.sort_by(|a, b| a.path.cmp(&b.path).then_with(|| place(a).cmp(&place(b))));
    Workspace {
        root,
        program: Arc::new(program),
        bots,
        content_types,
        action_docs,
        problems,
        hints,
        notices,
        changed: None,
    }
}

/// The scripts by their paths. In a checkout of the server a built-in one is in service while the file is the same.
fn by_plain_path(program: &Program) -> HashMap<&str, Vec<&Arc<Script>>> {
    let mut found: HashMap<&str, Vec<&Arc<Script>>> = HashMap::new();
    for script in &program.scripts {
        found.entry(script.path.strip_prefix(PREFIX).unwrap_or(&script.path)).or_default().push(script);
    }
    found
}

/// Says that the last good version is in service.
pub(super) fn last_good(problem: Problem) -> Problem {
    let stays = "the last good version stays in service until this is fixed";
    match &problem.help {
        Some(help) => Problem { help: Some(format!("{help}; {stays}")), ..problem },
        None => problem.help(stays),
    }
}

/// The names of actions that are left out.
fn uncompiled_actions(program: &Program, dropped: &HashSet<Arc<str>>) -> HashSet<String> {
    let left_out = |index: u32| program.scripts.get(index as usize).is_some_and(|one| dropped.contains(&one.path));
    let actions = program.bots.values().flat_map(|bot| bot.actions.iter());
    actions.filter(|(_, index)| left_out(**index)).map(|(name, _)| name.clone()).collect()
}

/// What an earlier version of a script requires may be gone from the files.
fn add_modules(program: &mut Program, last: &Program) {
    let known: HashSet<Arc<str>> = program.scripts.iter().map(|script| Arc::clone(&script.path)).collect();
    let gone = last.scripts.iter().filter(|script| matches!(script.role, Role::Module | Role::Json));
    program.scripts.extend(gone.filter(|script| !known.contains(&script.path)).map(Arc::clone));
}

/// The id under which a content type's file is in service.
fn id_of<'a>(program: &'a Program, path: &str) -> Option<&'a str> {
    let types = &program.global.content_types;
    let found = types.iter().find(|(_, index)| program.scripts.get(**index as usize).is_some_and(|s| &*s.path == path));
    found.map(|(id, _)| id.as_str())
}

/// Gives content types their ids: the workspace's first, built-in ones where an id is left. Returns what they say of themselves.
fn name_content_types(
    program: &mut Program,
    ids: &HashMap<u32, (&str, Option<&RawValue>)>,
    problems: &mut Vec<Problem>,
    notices: &mut Vec<String>,
) -> IndexMap<String, Box<RawValue>> {
    let mut order: Vec<(bool, &str, u32)> = program
        .scripts
        .iter()
        .enumerate()
        .filter(|(_, script)| is_content_type(script))
        .map(|(index, script)| {
            (script.path.starts_with(PREFIX), &*script.path, u32::try_from(index).unwrap_or(u32::MAX))
        })
        .collect();
    order.sort_unstable();
    let mut types: BTreeMap<String, u32> = BTreeMap::new();
    let mut metas: BTreeMap<String, Box<RawValue>> = BTreeMap::new();
    for (builtin, path, index) in order {
        let Some((id, meta)) = ids.get(&index) else { continue };
        if id.is_empty() {
            problems
                .push(Problem::error(path, "the content type has no id").help("export an id: { id: 'my_type', … }"));
            continue;
        }
        if let Some(first) = types.get(*id).and_then(|first| program.scripts.get(*first as usize)) {
            if builtin {
                notices.push(format!("{} replaces the built-in content type {id}", first.path));
            } else {
                problems.push(
                    Problem::error(path, format!("the content type {id:?} is there already, from {}", first.path))
                        .help("give one of the two another id"),
                );
            }
            continue;
        }
        types.insert((*id).to_owned(), index);
        if let Some(meta) = meta {
            metas.insert((*id).to_owned(), (*meta).to_owned());
        }
    }
    program.global.content_types = types.into();
    for bot in program.bots.values_mut() {
        bot.content_types = program.global.content_types.clone();
    }
    metas.into_iter().collect()
}

fn problem_of(failure: &CompileFailure, script: &Script) -> Problem {
    let error = &failure.error;
    let path = error.file.clone().unwrap_or_else(|| script.path.to_string());
    // The place may be in another file that this one requires.
    let here = path == *script.path;
    let frame = error.frame.clone().or_else(|| {
        let line = error.line.filter(|_| here)?;
        Some(code_frame(&script.source, line, error.column.unwrap_or(1)))
    });
    Problem {
        line: error.line,
        column: error.column,
        frame,
        ..Problem::error(
            path,
            if here { error.message.clone() } else { format!("{} (required by {})", error.message, script.path) },
        )
    }
}

#[cfg(test)]
pub(super) mod tests;
