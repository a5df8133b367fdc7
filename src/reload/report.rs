//! What was reloaded, in words.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::oneshot;

use super::workspace::Workspace;
use crate::program::{BotProgram, Flow, Program, Script};

/// Says what was reloaded, as soon as the next event runs it. What is wrong with it is said by whoever puts it into service;
/// where nothing came into service there is nothing else to say.
pub async fn report(last: Arc<Workspace>, next: Arc<Workspace>, in_service: oneshot::Receiver<()>) {
    let (Some(noticed), Some(what)) = (next.changed, reloaded(&last, &next)) else { return };
    drop(last);
    if in_service.await.is_ok() {
        tracing::info!("reloaded in {} ms: {what}", noticed.elapsed().as_millis());
    }
}

fn reloaded(last: &Workspace, next: &Workspace) -> Option<String> {
    let mut changed = changes(&last.program, &next.program);
    // A file that was fixed by a change is named once.
    let named: BTreeSet<&str> = changed.iter().map(String::as_str).collect();
    let mended = mended(last, next).into_iter().filter(|path| !named.contains(path));
    let mended: Vec<String> = mended.map(|path| format!("{path} (fixed)")).collect();
    changed.extend(mended);
    if changed.len() > 5 {
        let more = changed.split_off(4).len();
        changed.push(format!("and {more} more"));
    }
    (!changed.is_empty()).then(|| changed.join(", "))
}

/// Files that were wrong and are as they were before.
pub(super) fn mended<'a>(last: &'a Workspace, next: &'a Workspace) -> Vec<&'a str> {
    let wrong: BTreeSet<&str> = last.problems.iter().filter(|one| one.fatal).map(|one| one.path.as_str()).collect();
    let still: BTreeSet<&str> = next.problems.iter().map(|one| one.path.as_str()).collect();
    let right: Vec<&str> = wrong.difference(&still).copied().collect();
    if right.is_empty() {
        return right;
    }
    let (old, new) = (by_path(&last.program), by_path(&next.program));
    let flows = |program: &'a Program| -> HashMap<&'a str, &'a Flow> {
        program.bots.values().flat_map(|bot| bot.flows.values()).map(|flow| (&*flow.path, flow)).collect()
    };
    let (old_flows, new_flows) = (flows(&last.program), flows(&next.program));
    let same = |path: &&str| {
        let text = |scripts: &HashMap<&str, &'a Script>| scripts.get(path).map(|script| &script.source);
        text(&old) == text(&new) && old_flows.get(path) == new_flows.get(path)
    };
    right.into_iter().filter(same).collect()
}

fn by_path(program: &Program) -> HashMap<&str, &Script> {
    program.scripts.iter().map(|script| (&*script.path, &**script)).collect()
}

/// The files that came, changed or went, in words.
pub(super) fn changes(last: &Program, next: &Program) -> Vec<String> {
    let mut names = changed_scripts(last, next);
    for (id, bot) in &next.bots {
        let Some(before) = last.bots.get(id) else {
            names.push(format!("bot {id} (new)"));
            continue;
        };
        if text(&before.config) != text(&bot.config) {
            names.push(format!("configuration of {id}"));
        }
        let elements = |bot: &'_ BotProgram| {
            bot.elements.values().map(|element| element.json.get().to_owned()).collect::<Vec<_>>()
        };
        if !before.elements.is(&bot.elements) && elements(before) != elements(bot) {
            names.push(format!("content elements of {id}"));
        }
        if !before.flows.is(&bot.flows) {
            names.extend(changed_flows(before, bot));
        }
    }
    names.extend(last.bots.keys().filter(|id| !next.bots.contains_key(*id)).map(|id| format!("bot {id} (gone)")));
    names
}

fn changed_scripts(last: &Program, next: &Program) -> Vec<String> {
    let mut at = last.scripts.iter();
    // After most changes the same files are in the same places.
    if last.scripts.len() == next.scripts.len()
        && next.scripts.iter().all(|script| at.next().is_some_and(|before| before.path == script.path))
    {
        let pairs = last.scripts.iter().zip(&next.scripts);
        let mut changed: Vec<String> =
            pairs.filter(|(old, new)| old.source != new.source).map(|(_, new)| new.path.to_string()).collect();
        changed.sort();
        return changed;
    }
    let (old, new) = (by_path(last), by_path(next));
    let mut names: Vec<(bool, &str, &str)> = Vec::new();
    for (path, script) in &new {
        match old.get(path) {
            None => names.push((false, path, " (new)")),
            Some(before) if before.source != script.source => names.push((false, path, "")),
            Some(_) => {}
        }
    }
    names.extend(old.keys().filter(|path| !new.contains_key(*path)).map(|path| (true, *path, " (gone)")));
    names.sort_unstable();
    names.into_iter().map(|(_, path, how)| format!("{path}{how}")).collect()
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
