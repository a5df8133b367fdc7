//! What flows use of other files and what there is: actions, elements, content types, other flows. Looked at when all of it
//! is known, that is, when a worker has compiled it.

use std::cell::OnceCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::load::{FlowFile, Loaded};
use super::scan::Surroundings;
use crate::config::nearest::Advice;
use crate::config::{MOST_PROBLEMS, Problem};
use crate::model::BotId;
use crate::program::flow::{Flow, MAIN_FLOW, flow_name};
use crate::program::{BotProgram, Program};
use crate::reading::{FileRole, Use, What};

/// The flows of all bots as their files stand, and what could not be read besides.
#[derive(Debug, Clone, Default)]
pub(super) struct Flows {
    files: Vec<(BotId, Arc<FlowFile>)>,
    /// Of what could not be read at all something else is said already.
    refused: HashSet<FileRole>,
    /// The content types of files of elements among those.
    refused_elements: HashMap<BotId, Vec<String>>,
    /// The folders of the bots.
    folders: BTreeMap<BotId, String>,
}

impl Flows {
    pub(super) fn of(around: &Surroundings) -> Self {
        Self { folders: around.bots.clone(), ..Self::default() }
    }

    /// Takes note of a file: what it says now, and whether any version of it is in service.
    pub(super) fn add(&mut self, role: &FileRole, now: Option<&Loaded>, in_service: bool) {
        if !in_service {
            self.refused.insert(role.clone());
            if let FileRole::Elements { bot, content_type } = role {
                self.refused_elements.entry(bot.clone()).or_default().push(content_type.clone());
            }
        }
        if let (FileRole::Flow { bot, .. }, Some(Loaded::Flow(file))) = (role, now) {
            self.files.push((bot.clone(), Arc::clone(file)));
        }
    }
}

/// Looks at the flows of mounted bots. `uncompiled` are actions that a worker refused, which is said already. Returns what
/// may be as it is meant.
pub(super) fn check_flows(
    program: &Program,
    flows: &Flows,
    uncompiled: &HashSet<String>,
    problems: &mut Vec<Problem>,
) -> Vec<Problem> {
    let mut hints = Vec::new();
    let checks: HashMap<&str, Check<'_>> = program
        .bots
        .iter()
        .filter_map(|(id, bot)| {
            let (id, folder) = flows.folders.get_key_value(id.as_str())?;
            let (advice, nodes) = (Advice::default(), OnceCell::new());
            Some((id.as_str(), Check { program, bot, id, folder, flows, uncompiled, advice, nodes }))
        })
        .collect();
    for (id, folder) in &flows.folders {
        if let Some(check) = checks.get(id.as_str()) {
            problems.extend(check.main(folder));
            problems.extend(check.error_element());
        }
    }
    for (bot, file) in &flows.files {
        let Some(check) = checks.get(bot.as_str()) else { continue };
        problems.extend(check.file(file));
        hints.extend(file.sense.hints.iter().cloned());
    }
    hints
}

/// A bot that is looked at.
struct Check<'a> {
    program: &'a Program,
    bot: &'a BotProgram,
    id: &'a BotId,
    /// Its folder.
    folder: &'a str,
    flows: &'a Flows,
    uncompiled: &'a HashSet<String>,
    /// As much as there is for one bot.
    advice: Advice,
    /// The names of the nodes of all its flows, once they are asked for.
    nodes: OnceCell<HashSet<&'a str>>,
}

/// What is wrong, and what to do.
type Wrong = (String, Option<String>);

impl<'a> Check<'a> {
    fn main(&self, folder: &str) -> Option<Problem> {
        let lacks = !self.bot.flows.is_empty() && !self.bot.flows.contains_key(MAIN_FLOW) && !self.refused(MAIN_FLOW);
        lacks.then(|| {
            let message = format!("there is no {MAIN_FLOW}, where conversations start");
            let help = match self.nearest(MAIN_FLOW, self.bot.flows.keys().map(String::as_str)) {
                Some(near) => format!("rename {near}, if that is the one"),
                None => format!("write one to {folder}/flows/{MAIN_FLOW}"),
            };
            Problem::error(format!("{folder}/flows"), message).help(help)
        })
    }

    /// `dialog.error` of the bot, or of all bots.
    fn error_element(&self) -> Option<Problem> {
        let content = self.bot.error_element.as_ref()?.content_type.trim_start_matches(['#', '@']);
        let known = match content.strip_prefix('!') {
            Some(id) => self.element(id),
            None => self.content_type(content),
        };
        let (what, help) = known?;
        let message = format!("\"dialog.error.contentType\" names {what}");
        let problem = Problem::error(format!("{}/bot.config.json", self.folder), message);
        Some(problem.perhaps_help(help))
    }

    fn file(&self, file: &FlowFile) -> Vec<Problem> {
        let mut wrong = file.sense.uses.iter().filter_map(|one| Some((one, self.wrong(one)?)));
        let path = &*file.flow.path;
        let mut problems: Vec<Problem> = wrong
            .by_ref()
            .take(MOST_PROBLEMS)
            .map(|(one, (message, help))| {
                let problem = Problem::error(path, format!("{} {message}", one.who)).at(&file.source, one.at);
                problem.perhaps_help(help)
            })
            .collect();
        let more = wrong.count();
        if more > 0 {
            problems.push(Problem::error(path, format!("{more} more problems of this flow are not named")));
        }
        problems
    }

    /// What is wrong with something that a flow uses.
    fn wrong(&self, one: &Use) -> Option<Wrong> {
        let verb = |verb: &'static str| move |(what, help): Wrong| (format!("{verb} {what}"), help);
        match &one.what {
            What::Action(name) => self.action(name).map(verb("runs")),
            What::Element(id) => self.element(id).map(verb("says")),
            What::ContentType(id) => self.content_type(id).map(verb("says")),
            What::Skill(name) => self.flow(&flow_name(name)).err().flatten().map(verb("enters")),
            What::Flow(name, node) => match (self.flow(name), node) {
                (Err(wrong), _) => wrong.map(verb("leads to")),
                (Ok(flow), Some(node)) if !flow.nodes.contains_key(node) => {
                    let near = self.nearest(node, flow.nodes.keys().map(String::as_str));
                    let message = format!("leads to {node:?} of {name}, but that flow has no such node");
                    Some((message, near.map(|near| format!("did you mean \"{name}#{near}\"?"))))
                }
                _ => None,
            },
            What::Caller(node) => {
                let all = || self.bot.flows.values().flat_map(|flow| flow.nodes.keys().map(String::as_str)).collect();
                let known = self.nodes.get_or_init(all).contains(node.as_str());
                (!known).then(|| (format!("returns to {node:?}, but no flow of this bot has such a node"), None))
            }
        }
    }

    fn action(&self, name: &str) -> Option<Wrong> {
        if self.bot.action(name).is_some() || self.uncompiled.contains(name) {
            return None;
        }
        let of = |bot| FileRole::Action { name: name.to_owned(), bot };
        if [None, Some(self.id.clone())].into_iter().any(|bot| self.flows.refused.contains(&of(bot))) {
            return None;
        }
        let names = self.bot.actions.keys().map(String::as_str);
        let help = match self.nearest(name, names).or_else(|| self.elsewhere(name)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("write it to {}/actions/{name}.js", self.folder),
        };
        Some((format!("the action {name:?}, but there is no such action"), Some(help)))
    }

    /// An action of that name in another folder.
    fn elsewhere(&self, name: &str) -> Option<&str> {
        let may = self.advice.may_look_through(self.bot.actions.len());
        self.bot.actions.keys().map(String::as_str).find(|other| may && last(other) == last(name))
    }

    /// The word that is most likely meant.
    fn nearest<'w>(&self, word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
        self.advice.nearest(word, words)
    }

    fn element(&self, id: &str) -> Option<Wrong> {
        if let Some(element) = self.bot.elements.get(id) {
            let (_, help) = self.content_type(&element.content_type)?;
            return Some((
                format!("the element {id:?}, but there is no content type {:?}", element.content_type),
                help,
            ));
        }
        // Elements are called after their content type.
        let refused = self.flows.refused_elements.get(self.id).into_iter().flatten();
        if refused.into_iter().any(|content_type| id.starts_with(content_type.as_str())) {
            return None;
        }
        let near = self.nearest(id, self.bot.elements.keys().map(String::as_str));
        let help = near.map_or_else(
            || format!("the elements of the bot lie in {}/content-elements/", self.folder),
            |near| format!("did you mean \"#!{near}\"?"),
        );
        Some((format!("the element {id:?}, but this bot has no such element"), Some(help)))
    }

    fn content_type(&self, id: &str) -> Option<Wrong> {
        let types = &self.program.global.content_types;
        if types.contains_key(id) {
            return None;
        }
        let help = match self.nearest(id, types.keys().map(String::as_str)) {
            _ if self.bot.elements.contains_key(id) => Some(format!("to say the element of that id, write \"#!{id}\"")),
            near => near.map(|near| format!("did you mean \"#{near}\"?")),
        };
        Some((format!("the content type {id:?}, but there is no such content type"), help))
    }

    /// A flow of the bot; `Err` with nothing if its file is wrong, which is said already.
    fn flow(&self, name: &str) -> Result<&Flow, Option<Wrong>> {
        if let Some(flow) = self.bot.flows.get(name) {
            return Ok(flow);
        }
        if self.refused(name) {
            return Err(None);
        }
        let names = || self.bot.flows.keys().map(String::as_str);
        let may = self.advice.may_look_through(self.bot.flows.len());
        let near = self.nearest(name, names()).or_else(|| names().find(|other| may && last(other) == last(name)));
        let help = match near {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("write it to {}/flows/{name}, or lead elsewhere", self.folder),
        };
        Err(Some((format!("the flow {name:?}, but this bot has no such flow"), Some(help))))
    }

    fn refused(&self, flow: &str) -> bool {
        self.flows.refused.contains(&FileRole::Flow { bot: self.id.clone(), name: flow.to_owned() })
    }
}

/// The name without folders.
fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests;
