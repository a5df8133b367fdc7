//! A flow's file: `bots/<id>/flows/**/*.flow.json`, as the original's editors save it and as people write it.

mod sense;

use indexmap::IndexMap;
use indexmap::map::Entry;
use serde_json::value::to_raw_value;

use crate::config::jsonc::{Document, Spot, Step, way};
use crate::config::{MOST_PROBLEMS, Problem, ReadLimits};
use crate::program::flow::{CatchAll, Flow, Node, NodeContent, Transition, flow_name};
use crate::reading::FlowFacts;

use super::depth::too_large;
use sense::{SAY_SOMETHING, SKILL_CALL};

/// Reads a flow. What has the wrong shape comes beside what is fine.
///
/// # Errors
/// A text that is not a JSON object, or has too many nodes.
pub(super) fn read_flow(
    path: &str,
    text: &str,
    limits: &ReadLimits,
) -> Result<(FlowFacts, Vec<Problem>), Vec<Problem>> {
    let document = Document::read(path, text).map_err(|problem| vec![*problem])?;
    let root = document.root();
    if !root.is_object() {
        let message = format!("expected an object with \"startNode\" and \"nodes\", got {}", root.name());
        return Err(vec![Problem::error(path, message).at(text, root.at())]);
    }
    let nodes = root.member("nodes").and_then(Spot::items).map_or(0, Iterator::count);
    too_large(path, "nodes in one flow", nodes, limits.nodes, "workspace.nodes")?;
    let mut reading = Reading { path, text, way: Vec::new(), problems: Vec::new(), more: 0 };
    let flow = reading.flow(root);
    let problems = reading.problems();
    let sense = sense::sense(path, text, root, &flow, limits);
    Ok((FlowFacts { flow, sense }, problems))
}

/// A file being read.
struct Reading<'d> {
    path: &'d str,
    text: &'d str,
    /// The way to what is looked at.
    way: Vec<Step<'d>>,
    problems: Vec<Problem>,
    /// Problems that are only counted.
    more: usize,
}

impl<'d> Reading<'d> {
    fn problems(self) -> Vec<Problem> {
        let Self { path, mut problems, more, .. } = self;
        if more > 0 {
            problems.push(Problem::error(path, format!("{more} more problems of this flow are not named")));
        }
        problems
    }

    fn flow(&mut self, root: Spot<'d>) -> Flow {
        let start_node = self.text(root, "startNode").unwrap_or_default();
        let timeout_node = self.name(root, "timeoutNode");
        let catch_all = self.object(root, "catchAll").map_or_else(CatchAll::default, |catch_all| {
            self.at(Step::Key("catchAll"), |reading| CatchAll {
                on_receive: reading.texts(catch_all, "onReceive").unwrap_or_default(),
                next: reading.transitions(catch_all),
            })
        });
        let nodes = self.nodes(root);
        Flow { path: self.path.into(), start_node, catch_all, nodes, timeout_node }
    }

    fn nodes(&mut self, root: Spot<'d>) -> IndexMap<String, Node> {
        let mut nodes = IndexMap::new();
        self.list(root, "nodes", |reading, spot| {
            if !spot.is_object() {
                return reading.wrong(spot, "an object");
            }
            if spot.member("name").is_none_or(|name| name.text() == Some("")) {
                let help = Some("give it one: \"name\" is what transitions lead to");
                return reading.problem(spot, help, |way| format!("\"{way}\" has no name"));
            }
            let Some(name) = reading.text(spot, "name") else { return };
            let node = reading.node(spot);
            // Of two nodes with the same name transitions lead to the first.
            if let Entry::Vacant(entry) = nodes.entry(name) {
                entry.insert(node);
            }
        });
        nodes
    }

    fn node(&mut self, node: Spot<'d>) -> Node {
        let kind = self.text(node, "type").unwrap_or_default();
        Node {
            on_enter: self.texts(node, "onEnter").unwrap_or_default(),
            on_receive: self.texts(node, "onReceive"),
            next: self.transitions(node),
            // Without a flow it is still a skill: one that cannot be entered.
            skill: (kind == SKILL_CALL)
                .then(|| self.name(node, "flow").map_or_else(String::new, |name| flow_name(&name).into_owned())),
            content: if kind == SAY_SOMETHING { self.content(node) } else { None },
            timeout_node: self.name(node, "timeoutNode"),
        }
    }

    fn content(&mut self, node: Spot<'d>) -> Option<NodeContent> {
        let content = self.object(node, "content")?;
        self.at(Step::Key("content"), |reading| {
            let content_type = reading.name(content, "contentType")?;
            let form_data = match reading.object(content, "formData") {
                None => serde_json::Value::Object(serde_json::Map::new()),
                Some(data) => match data.value(reading.path, reading.text) {
                    Ok(value) => value,
                    Err(problem) if reading.problems.len() < MOST_PROBLEMS => {
                        reading.problems.push(*problem);
                        return None;
                    }
                    Err(_) => {
                        reading.more += 1;
                        return None;
                    }
                },
            };
            Some(NodeContent { content_type, form_data: to_raw_value(&form_data).ok()? })
        })
    }

    fn transitions(&mut self, of: Spot<'d>) -> Vec<Transition> {
        let mut next = Vec::new();
        self.list(of, "next", |reading, spot| {
            if !spot.is_object() {
                return reading.wrong(spot, "an object with \"condition\" and \"node\"");
            }
            let condition = reading.text(spot, "condition").unwrap_or_default();
            let node = reading.text(spot, "node").unwrap_or_default();
            next.push(Transition { condition, node });
        });
        next
    }

    /// A list of texts; `None` if there is none.
    fn texts(&mut self, of: Spot<'d>, key: &'static str) -> Option<Vec<String>> {
        let mut texts = Vec::new();
        self.list(of, key, |reading, spot| match spot.text() {
            Some(text) => texts.push(text.to_owned()),
            None => reading.wrong(spot, "a text"),
        })
        .then_some(texts)
    }

    /// Goes through a list; false if there is none.
    fn list(&mut self, of: Spot<'d>, key: &'static str, mut each: impl FnMut(&mut Self, Spot<'d>)) -> bool {
        let Some(list) = of.member(key) else { return false };
        self.at(Step::Key(key), |reading| {
            let Some(items) = list.items() else {
                reading.wrong(list, "an array");
                return false;
            };
            for (index, item) in items.enumerate() {
                reading.at(Step::Index(index), |reading| each(reading, item));
            }
            true
        })
    }

    /// A text that may be missing.
    fn text(&mut self, of: Spot<'d>, key: &'static str) -> Option<String> {
        let spot = of.member(key)?;
        if spot.text().is_none() {
            self.at(Step::Key(key), |reading| reading.wrong(spot, "a text"));
        }
        spot.text().map(ToOwned::to_owned)
    }

    /// A text that may be missing, or empty, which is the same.
    fn name(&mut self, of: Spot<'d>, key: &'static str) -> Option<String> {
        self.text(of, key).filter(|text| !text.is_empty())
    }

    /// An object that may be missing.
    fn object(&mut self, of: Spot<'d>, key: &'static str) -> Option<Spot<'d>> {
        let spot = of.member(key)?;
        if !spot.is_object() {
            self.at(Step::Key(key), |reading| reading.wrong(spot, "an object"));
        }
        Some(spot).filter(|spot| spot.is_object())
    }

    /// Does something one step further on the way.
    fn at<T>(&mut self, step: Step<'d>, what: impl FnOnce(&mut Self) -> T) -> T {
        self.way.push(step);
        let done = what(self);
        self.way.pop();
        done
    }

    fn wrong(&mut self, spot: Spot<'_>, expected: &str) {
        self.problem(spot, None, |way| format!("\"{way}\" must be {expected}, got {}", spot.name()));
    }

    /// Says something of the place that is looked at: the place of each costs a walk through the file.
    fn problem(&mut self, spot: Spot<'_>, help: Option<&str>, message: impl FnOnce(&str) -> String) {
        if self.problems.len() >= MOST_PROBLEMS {
            self.more += 1;
            return;
        }
        let problem = Problem::error(self.path, message(&way(&self.way))).at(self.text, spot.at());
        self.problems.push(Problem { help: help.map(ToOwned::to_owned), ..problem });
    }
}

#[cfg(test)]
mod tests;
