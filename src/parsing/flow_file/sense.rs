//! What a flow's file says that cannot be meant, as far as one file tells; and what it uses of others, to be looked at once
//! all of them are read. None of it takes the flow out of service: the rest of it runs.

use std::collections::HashSet;
use std::sync::Arc;

use crate::config::jsonc::Spot;
use crate::config::nearest::Advice;
use crate::config::{MOST_PROBLEMS as MOST, Problem, ReadLimits, at_most};
use crate::parsing::script::expression::refuse_expression;
use crate::program::flow::Flow;
use crate::program::flow::instruction::{Condition, Destination, Instruction, InstructionError};
use crate::reading::{Sense, Use, What};
use crate::telemetry::escape::shortened;

/// The node type that enters another flow.
pub(super) const SKILL_CALL: &str = "skill-call";
/// The node type that says something.
pub(super) const SAY_SOMETHING: &str = "say_something";

/// Most of a node's name that is shown, in characters.
const SHOWN: usize = 40;

/// Looks at a flow that was read of `text`.
pub(super) fn sense(path: &str, text: &str, root: Spot<'_>, flow: &Flow, limits: &ReadLimits) -> Sense {
    let (sense, advice) = (Sense::default(), Advice::default());
    let mut looking = Looking { path, text, flow, nesting: limits.nesting, who: "the flow".into(), sense, advice };
    looking.start(root);
    looking.timeout(root);
    if let Some(catch_all) = root.member("catchAll") {
        looking.who = "\"catchAll\"".into();
        looking.instructions(catch_all, "onReceive");
        looking.transitions(catch_all);
    }
    let mut seen = HashSet::new();
    for node in items(root, "nodes") {
        let Some(name) = node.member("name").filter(|name| name.text().is_some_and(|text| !text.is_empty())) else {
            continue;
        };
        looking.node(node, name, &mut seen);
    }
    let Sense { problems, hints, uses } = looking.sense;
    let (problems, hints) = (at_most(path, problems, "this flow"), at_most(path, hints, "this flow"));
    Sense { problems, hints, uses }
}

fn items<'d>(of: Spot<'d>, key: &str) -> impl Iterator<Item = Spot<'d>> {
    of.member(key).and_then(Spot::items).into_iter().flatten()
}

/// A file that is looked at.
struct Looking<'a> {
    path: &'a str,
    text: &'a str,
    flow: &'a Flow,
    /// How deep the brackets of a condition may nest.
    nesting: usize,
    /// Whose part is looked at.
    who: Arc<str>,
    sense: Sense,
    advice: Advice,
}

impl<'a> Looking<'a> {
    fn start(&mut self, root: Spot<'_>) {
        let nodes = &self.flow.nodes;
        let Some(first) = nodes.keys().next() else {
            return self.problem(root.at(), "the flow has no nodes", None);
        };
        match root.member("startNode") {
            None => self.problem(
                root.at(),
                "the flow has no \"startNode\"",
                Some(format!("name the node to begin with, such as \"startNode\": {first:?}")),
            ),
            Some(start) => {
                let Some(name) = start.text().filter(|name| !nodes.contains_key(*name)) else { return };
                let help = self.near(name).unwrap_or_else(|| format!("the nodes are {}", self.names()));
                self.problem(start.at(), &format!("there is no node {name:?} to start with"), Some(help));
            }
        }
    }

    fn node(&mut self, node: Spot<'a>, name: Spot<'a>, seen: &mut HashSet<&'a str>) {
        let called = name.text().unwrap_or_default();
        // It stands at all that the node uses.
        self.who = format!("node {:?}", shortened(called, SHOWN)).into();
        if !seen.insert(called) {
            let message = format!("a second node is called {called:?}: transitions lead to the first one");
            self.problem(name.at(), &message, Some("give one of the two another name".to_owned()));
        }
        self.instructions(node, "onEnter");
        self.instructions(node, "onReceive");
        self.transitions(node);
        self.timeout(node);
        match node.member("type").and_then(Spot::text) {
            Some(SKILL_CALL) => match node.member("flow").map(|flow| (flow, flow.text())) {
                None | Some((_, Some(""))) => {
                    let message = format!("{} enters no flow: it is a skill-call without \"flow\"", self.who);
                    let help = "name the flow that it enters, such as \"flow\": \"skills/choice-1b8623.flow.json\"";
                    self.problem(name.at(), &message, Some(help.to_owned()));
                }
                Some((flow, Some(name))) => self.uses(flow.at(), What::Skill(name.to_owned())),
                // Its shape is wrong, which is said already.
                Some((_, None)) => {}
            },
            Some(SAY_SOMETHING) => {
                let content_type = node.member("content").and_then(|content| content.member("contentType"));
                if let Some(spot) = content_type
                    && let Some(name) = spot.text().filter(|name| !name.is_empty())
                {
                    self.uses(spot.at(), content(name));
                }
            }
            _ => {}
        }
    }

    fn timeout(&mut self, of: Spot<'_>) {
        let Some(spot) = of.member("timeoutNode") else { return };
        let Some(text) = spot.text() else { return };
        let (why, help) = match Destination::parse(text) {
            Destination::Unconnected => return,
            Destination::Node(name) if self.flow.nodes.contains_key(name) => return,
            Destination::Node(name) => ("but the flow has no such node", self.near(name)),
            Destination::Flow { flow, node } => {
                return self.uses(spot.at(), What::Flow(flow.to_owned(), node.map(ToOwned::to_owned)));
            }
            Destination::End | Destination::Return { .. } => ("which is neither a node nor a flow", None),
        };
        let message = format!("{} goes to {text:?} when the session times out, {why}", self.who);
        self.problem(spot.at(), &message, help);
    }

    fn instructions(&mut self, of: Spot<'a>, key: &str) {
        for spot in items(of, key) {
            let Some(text) = spot.text() else { continue };
            if text.trim().is_empty() {
                // The editor leaves such lines, and nothing is done for them.
                let message = format!("{}: the instruction is empty", self.who);
                self.hint(spot.at(), message, "write an instruction, or remove the empty one");
                continue;
            }
            let start = arguments(text);
            if let Err(error) = Instruction::parse(text) {
                self.instruction(spot, text, start, &error);
            }
            // What it would do can be told without its arguments.
            match Instruction::parse(&text[..start]) {
                Ok(Instruction::Say { content: name, .. }) => self.uses(spot.at(), content(name)),
                Ok(Instruction::Action { name, .. }) => self.uses(spot.at(), What::Action(name.to_owned())),
                Err(_) => {}
            }
        }
    }

    fn instruction(&mut self, spot: Spot<'_>, text: &str, start: usize, error: &InstructionError) {
        let (mut offset, mut reason) = (0, error.to_string());
        if let InstructionError::Json(_) = error
            && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text[start..].trim_end())
        {
            // Lines and columns of its own would be taken for those of the file.
            let said = error.to_string();
            let said =
                said.split(" at line ").next().unwrap_or_default().replace("EOF while parsing", "it ends within");
            reason = format!("the arguments are not valid JSON: {said}");
            offset = if error.line() == 1 { start + error.column().saturating_sub(1) } else { start };
        }
        self.problem(spot.within(self.text, offset), &format!("{}: {reason}", self.who), None);
    }

    fn transitions(&mut self, of: Spot<'a>) {
        let mut unconnected: Option<(usize, u32)> = None;
        for transition in items(of, "next").filter(|transition| transition.is_object()) {
            if let Some(spot) = transition.member("condition")
                && let Some(text) = spot.text()
                && let Condition::Script(script) = Condition::parse(text)
                && let Err((offset, reason)) = refuse_expression(script, self.nesting)
            {
                let offset = text.len() - text.trim_start().len() + offset;
                let message = format!("{}: the condition is no JavaScript expression: {reason}", self.who);
                self.problem(spot.within(self.text, offset), &message, None);
            }
            match transition.member("node") {
                None => unconnected = Some(unconnected.map_or((transition.at(), 1), |(at, count)| (at, count + 1))),
                Some(spot) => match spot.text().map(Destination::parse) {
                    Some(Destination::Unconnected) => {
                        unconnected = Some(unconnected.map_or((spot.at(), 1), |(at, count)| (at, count + 1)));
                    }
                    Some(Destination::Node(name)) if !self.flow.nodes.contains_key(name) => {
                        let message = format!("{} leads to {name:?}, but the flow has no such node", self.who);
                        let help = self.near(name).unwrap_or_else(|| {
                            format!("add the node, or lead to the start of another flow with \"{name}.flow.json\"")
                        });
                        self.problem(spot.at(), &message, Some(help));
                    }
                    Some(Destination::Flow { flow, node }) => {
                        self.uses(spot.at(), What::Flow(flow.to_owned(), node.map(ToOwned::to_owned)));
                    }
                    Some(Destination::Return { node: Some(node), .. }) => {
                        self.uses(spot.at(), What::Caller(node.to_owned()));
                    }
                    _ => {}
                },
            }
        }
        if let Some((at, count)) = unconnected {
            let what = if count == 1 { "a transition".to_owned() } else { format!("{count} transitions") };
            let message = format!("{} has {what} to nowhere: the dialog ends there", self.who);
            self.hint(at, message, "connect it, or write \"END\" if that is meant");
        }
    }

    fn uses(&mut self, at: usize, what: What) {
        self.sense.uses.push(Use { who: Arc::clone(&self.who), at, what });
    }

    fn problem(&mut self, at: usize, message: &str, help: Option<String>) {
        let problem = Problem::error(self.path, message);
        // Past the most there is only the count.
        let problem = if self.sense.problems.len() < MOST { problem.at(self.text, at) } else { problem };
        self.sense.problems.push(problem.perhaps_help(help));
    }

    /// The same of what may be as it is meant.
    fn hint(&mut self, at: usize, message: String, help: &str) {
        let hint = Problem::warning(self.path, message).help(help);
        let hint = if self.sense.hints.len() < MOST { hint.at(self.text, at) } else { hint };
        self.sense.hints.push(hint);
    }

    /// The node that is most likely meant.
    fn near(&self, name: &str) -> Option<String> {
        if self.sense.problems.len() >= MOST {
            return None;
        }
        let near = self.advice.nearest(name, self.flow.nodes.keys().map(String::as_str));
        near.map(|near| format!("did you mean {near:?}?"))
    }

    fn names(&self) -> String {
        let names: Vec<String> = self.flow.nodes.keys().take(5).map(|name| format!("{name:?}")).collect();
        let more = if self.flow.nodes.len() > 5 { ", …" } else { "" };
        format!("{}{more}", names.join(", "))
    }
}

/// What `say` and a node's content name: an element with `!`, else a content type; `#` or `@` before it says nothing.
fn content(name: &str) -> What {
    let name = name.strip_prefix(['#', '@']).unwrap_or(name);
    match name.strip_prefix('!') {
        Some(id) => What::Element(id.to_owned()),
        None => What::ContentType(name.to_owned()),
    }
}

/// Where the arguments of an instruction begin; its end if there are none.
fn arguments(text: &str) -> usize {
    let skip_word = |from: usize| {
        let rest = &text[from..];
        let word = rest.len() - rest.trim_start().len();
        from + word + rest[word..].find(char::is_whitespace).unwrap_or(rest.len() - word)
    };
    let mut at = skip_word(0);
    if text[..at].trim() == "say" {
        at = skip_word(at);
    }
    text.len() - text[at..].trim_start().len()
}
