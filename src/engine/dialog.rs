//! The dialog engine: a pure step machine. Flows and a place in, commands out; whoever drives it (`run::dialog`) runs what
//! a command says and answers with what came of it.
//!
//! It knows no JavaScript and does no I/O, so that a realm may be given up between any two steps and a fresh one goes on.

pub mod cursor;
pub mod node;
pub mod step;
pub mod timeout;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::program::Flow;
use crate::program::flow::instruction::{Destination, Instruction};
use crate::program::flow::{CONVERSATION_END_FLOW, ERROR_FLOW, MAIN_FLOW, flow_name};
use cursor::{DialogCursor, NodePart, Point, Position};
use node::{Cursor, Here};
pub use step::{Answer, Command, Note, Why};

/// A bot's flows by name.
pub type Flows = BTreeMap<String, Flow>;

/// How a node is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// By a transition: it is executed.
    Transition,
    /// By a jump: the flow's transitions come first.
    Jump,
    /// By a return: only its transitions.
    Return,
}

/// A conversation on its way through the flows, for one event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Dialog {
    place: DialogCursor,
    cursor: Cursor,
    /// Indices of the conditions that were asked for, and the transition that holds in any case if none of them does.
    asked: Vec<usize>,
    sure: Option<usize>,
    /// Nodes reached in this event, and how many there may be.
    reached: u32,
    most: u32,
    /// The last ones, from the time on when there are suspiciously many.
    trail: Vec<Point>,
    notes: Vec<Note>,
}

/// So many nodes are looked back at for the loop that they form.
const TRAIL: u32 = 40;
/// So many of them are named.
const NAMED: usize = 8;

impl Dialog {
    /// A conversation at a place. `most` nodes may be reached before it is cut.
    pub fn new(place: DialogCursor, most: u32) -> Self {
        Self {
            place,
            cursor: Cursor { stage: NodePart::OnEnter, done: 0 },
            asked: Vec::new(),
            sure: None,
            reached: 0,
            most,
            trail: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// Where it stands.
    pub fn place(&self) -> &DialogCursor {
        &self.place
    }

    /// Takes what happened since the last call.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// The text of the instruction or condition that comes next; `condition` counts among those that were asked for.
    pub fn instruction(&self, flows: &Flows, condition: usize) -> String {
        self.here(flows).map_or_else(String::new, |here| here.text(self.cursor_at(condition)).to_owned())
    }

    /// The same for messages: with where a transition leads.
    pub fn described(&self, flows: &Flows, condition: usize) -> String {
        self.here(flows).map_or_else(String::new, |here| here.described(self.cursor_at(condition)))
    }

    fn cursor_at(&self, condition: usize) -> Cursor {
        let done = self.asked.get(condition).copied().unwrap_or(self.cursor.done);
        Cursor { stage: self.cursor.stage, done }
    }

    /// Takes the answer to the last command and gives the next one.
    pub fn next<'f>(&mut self, flows: &'f Flows, answer: Answer) -> Command<'f> {
        let command = match answer {
            Answer::Begin => self.begin(flows),
            Answer::Done => {
                self.cursor.done += 1;
                None
            }
            Answer::Matched(matched) => {
                let asked = std::mem::take(&mut self.asked);
                match matched.and_then(|index| asked.get(index).copied()).or(self.sure.take()) {
                    Some(index) => self.take_transition(flows, index),
                    None => self.after_transitions(flows),
                }
            }
            Answer::Failed(condition) => {
                let asked = std::mem::take(&mut self.asked);
                self.cursor.done = asked.get(condition).copied().unwrap_or(self.cursor.done);
                Some(self.wait_for_repair(flows))
            }
            Answer::Threw(to) => self.route_error(flows, to.as_deref()),
            Answer::Moved(place) => self.moved(flows, place),
            Answer::Ended(why) => self.end(flows, why),
        };
        command.unwrap_or_else(|| self.step(flows))
    }

    // What follows gives the command that is next, or `None` where it goes on at the cursor.

    /// The flow that runs when a dialog ends, or the end.
    fn end<'f>(&mut self, flows: &'f Flows, why: Why) -> Option<Command<'f>> {
        let ending = |flow: &str| flow == CONVERSATION_END_FLOW;
        let within = self.place.flow.as_deref().is_some_and(ending)
            || self.place.jump_points.iter().any(|point| ending(&point.flow));
        if within || !flows.contains_key(CONVERSATION_END_FLOW) {
            return Some(Command::Over(why));
        }
        self.place.jump_points.clear();
        self.reach(flows, CONVERSATION_END_FLOW, None, By::Transition)
    }

    fn begin<'f>(&mut self, flows: &'f Flows) -> Option<Command<'f>> {
        // A place without a flow is that of somebody who is not in a dialog.
        let Some(flow) = self.place.flow.clone() else {
            return self.reach(flows, MAIN_FLOW, None, By::Transition);
        };
        let point = match resolve(flows, &flow_name(&flow), self.place.node.as_deref()) {
            Ok(point) => point,
            Err(missing) => return Some(Command::Lost(missing)),
        };
        let place = std::mem::take(&mut self.place);
        let queue = place.queue.clone().filter(|queue| !place.has_jumped && queue.at == point.to_string());
        let by = if place.has_jumped { By::Jump } else { By::Transition };
        self.place = DialogCursor { has_jumped: false, queue: None, ..place };
        let Some(queue) = queue else {
            return self.arrive(point, by);
        };
        self.place.flow = Some(point.flow);
        self.place.node = Some(point.node);
        self.cursor = self.here(flows)?.resumed(&queue);
        None
    }

    /// A script has put the conversation somewhere.
    fn moved<'f>(&mut self, flows: &'f Flows, place: DialogCursor) -> Option<Command<'f>> {
        let Some(flow) = place.flow.clone() else { return Some(Command::Over(Why::Cleared)) };
        if place.flow == self.place.flow && place.node == self.place.node && !place.has_jumped {
            self.cursor.done += 1;
            return None;
        }
        let by = if place.has_jumped { By::Jump } else { By::Transition };
        match resolve(flows, &flow_name(&flow), place.node.as_deref()) {
            Ok(point) => {
                self.place = DialogCursor { has_jumped: false, queue: None, ..place };
                self.arrive(point, by)
            }
            Err(missing) => Some(Command::Lost(missing)),
        }
    }

    /// Goes to a node from where the conversation stands.
    fn reach<'f>(&mut self, flows: &'f Flows, flow: &str, node: Option<&str>, by: By) -> Option<Command<'f>> {
        match resolve(flows, flow, node) {
            Ok(point) => {
                if let (Some(flow), Some(node)) = (self.place.flow.take(), self.place.node.take()) {
                    self.place.previous = Some(Point { flow, node });
                }
                self.arrive(point, by)
            }
            Err(missing) => Some(self.missing(flows, missing)),
        }
    }

    /// The conversation is at a node that there is.
    fn arrive<'f>(&mut self, point: Point, by: By) -> Option<Command<'f>> {
        self.reached += 1;
        if self.reached + TRAIL > self.most {
            self.trail.push(point.clone());
        }
        self.place.flow = Some(point.flow.clone());
        self.place.node = Some(point.node.clone());
        if self.reached > self.most {
            return Some(Command::Loop(self.describe_loop()));
        }
        let (stage, note) = match by {
            By::Transition => (NodePart::OnEnter, Note::Node(point)),
            By::Jump => (NodePart::Jump, Note::Jump(point)),
            By::Return => (NodePart::Next, Note::Return(point)),
        };
        self.cursor = Cursor { stage, done: 0 };
        self.notes.push(note);
        None
    }

    fn here<'f>(&self, flows: &'f Flows) -> Option<Here<'f>> {
        let (name, node) = (self.place.flow.as_deref()?, self.place.node.as_deref()?);
        let (flow_name, flow) = flows.get_key_value(name)?;
        let (node_name, node) = flow.nodes.get_key_value(node)?;
        Some(Here { flow_name, flow, node_name, node })
    }

    fn point(&self) -> Option<Point> {
        Some(Point { flow: self.place.flow.clone()?, node: self.place.node.clone()? })
    }

    /// Goes on at the cursor until something is to be done.
    fn step<'f>(&mut self, flows: &'f Flows) -> Command<'f> {
        loop {
            // Every way here has looked the node up; flows do not change within an event.
            let Some(here) = self.here(flows) else { return Command::Over(Why::Gone) };
            let command = match self.cursor.stage {
                NodePart::Jump | NodePart::Next => self.transitions(flows, &here),
                NodePart::OnEnter | NodePart::CatchAll | NodePart::OnReceive => {
                    match here.instructions(self.cursor.stage).get(self.cursor.done) {
                        // The editor leaves empty lines.
                        Some(text) if text.trim().is_empty() => {
                            self.cursor.done += 1;
                            None
                        }
                        Some(text) => Some(command(text)),
                        None => self.advance(),
                    }
                }
                NodePart::Skill => match &here.node.skill {
                    Some(skill) if self.cursor.done == 0 => self.enter_flow(flows, &flow_name(skill), None),
                    _ => self.advance(),
                },
                NodePart::Wait if here.node.on_receive.is_some() => Some(self.wait(None)),
                NodePart::Wait => self.advance(),
                NodePart::Content => match &here.node.content {
                    Some(content) if self.cursor.done == 0 => Some(Command::Speak(content)),
                    _ => self.advance(),
                },
            };
            if let Some(command) = command {
                return command;
            }
        }
    }

    fn advance<'f>(&mut self) -> Option<Command<'f>> {
        self.cursor = Cursor { stage: self.cursor.stage.after(), done: 0 };
        None
    }

    /// The conversation waits at the cursor.
    fn wait<'f>(&mut self, instruction: Option<String>) -> Command<'f> {
        if let Some(point) = self.point() {
            let Cursor { stage, done } = self.cursor;
            self.place.queue = Some(Position { at: point.to_string(), stage, done, instruction });
        }
        Command::Wait
    }

    /// The conversation waits at an instruction that is to be tried again.
    fn wait_for_repair<'f>(&mut self, flows: &Flows) -> Command<'f> {
        let text = self.instruction(flows, usize::MAX);
        self.wait((!text.is_empty()).then_some(text))
    }

    /// The same where a flow or a node is missing.
    fn missing<'f>(&mut self, flows: &Flows, missing: String) -> Command<'f> {
        self.wait_for_repair(flows);
        Command::Missing(missing)
    }

    /// Asks for the transitions from the cursor on, as far as it takes scripts to tell.
    fn transitions<'f>(&mut self, flows: &'f Flows, here: &Here<'f>) -> Option<Command<'f>> {
        let (mut conditions, mut asked, mut sure) = (Vec::new(), Vec::new(), None);
        for (index, transition) in here.transitions(self.cursor.stage).enumerate().skip(self.cursor.done) {
            match node::holds(&transition.condition, self.place.previous.as_ref()) {
                node::Holds::Yes => {
                    sure = Some(index);
                    break;
                }
                node::Holds::No => {}
                node::Holds::Ask(condition) => {
                    conditions.push(condition);
                    asked.push(index);
                }
            }
        }
        if asked.is_empty() {
            return match sure {
                Some(index) => self.take_transition(flows, index),
                None => self.after_transitions(flows),
            };
        }
        self.asked = asked;
        self.sure = sure;
        Some(Command::Test(conditions))
    }

    /// None of the transitions holds.
    fn after_transitions<'f>(&mut self, flows: &'f Flows) -> Option<Command<'f>> {
        if self.cursor.stage == NodePart::Jump {
            return self.advance();
        }
        let any = self.here(flows).is_some_and(|here| here.transitions(NodePart::Next).next().is_some());
        Some(Command::End(if any { Why::NoneMatched } else { Why::NothingLeft }))
    }

    fn take_transition<'f>(&mut self, flows: &'f Flows, index: usize) -> Option<Command<'f>> {
        self.cursor.done = index;
        let here = self.here(flows)?;
        let transition = here.transitions(self.cursor.stage).nth(index)?;
        self.notes.push(Note::Transition { condition: transition.condition.clone(), to: transition.node.clone() });
        self.lead(flows, &transition.node, &here)
    }

    /// Goes where a destination says.
    fn lead<'f>(&mut self, flows: &'f Flows, destination: &str, here: &Here<'f>) -> Option<Command<'f>> {
        match Destination::parse(destination) {
            Destination::Unconnected => {
                self.notes.push(Note::Warning(format!(
                    "a transition of node {:?} leads nowhere: the dialog ends there; connect it, or write END",
                    here.node_name
                )));
                Some(Command::End(Why::NotConnected))
            }
            Destination::End => Some(Command::End(Why::End)),
            Destination::Node(node) => self.reach(flows, here.flow_name, Some(node), By::Transition),
            Destination::Flow { flow, node } => self.enter_flow(flows, flow, node),
            Destination::Return { node, execute } => self.return_to(flows, node, execute),
        }
    }

    /// Enters another flow and remembers where from.
    fn enter_flow<'f>(&mut self, flows: &'f Flows, flow: &str, node: Option<&str>) -> Option<Command<'f>> {
        if let (Ok(_), Some(point)) = (resolve(flows, flow, node), self.point()) {
            self.place.push(point);
        }
        self.reach(flows, flow, node, By::Transition)
    }

    fn return_to<'f>(&mut self, flows: &'f Flows, node: Option<&str>, execute: bool) -> Option<Command<'f>> {
        let Some(caller) = self.place.jump_points.last().cloned() else {
            // Nowhere to return to: it stays where it is, as if it had just come.
            self.cursor = Cursor { stage: NodePart::Wait, done: 0 };
            return Some(self.wait(None));
        };
        let node = node.unwrap_or(&caller.node);
        if resolve(flows, &caller.flow, Some(node)).is_ok() {
            self.place.jump_points.pop();
        }
        let by = if execute { By::Transition } else { By::Return };
        self.reach(flows, &caller.flow, Some(node), by)
    }

    /// An action threw: where `temp.onErrorFlowTo` says, else to the bot's flow for errors, else it waits.
    fn route_error<'f>(&mut self, flows: &'f Flows, to: Option<&str>) -> Option<Command<'f>> {
        let here = self.here(flows)?;
        match to {
            Some(to) if !to.trim().is_empty() => self.lead(flows, to, &here),
            _ if flows.contains_key(ERROR_FLOW) && here.flow_name != ERROR_FLOW => {
                self.enter_flow(flows, ERROR_FLOW, None)
            }
            _ => Some(self.wait_for_repair(flows)),
        }
    }

    /// The nodes that it went through over and over.
    fn describe_loop(&self) -> String {
        let last = self.trail.len().saturating_sub(1);
        let begin = self.trail[..last].iter().rposition(|point| *point == self.trail[last]);
        let what = if begin.is_some() { "it went in circles" } else { "it came by" };
        let begin = begin.unwrap_or(0);
        let mut names: Vec<String> = self.trail[begin..].iter().map(ToString::to_string).collect();
        if names.len() > NAMED {
            names.splice(NAMED / 2..names.len() - NAMED / 2, ["…".to_owned()]);
        }
        format!(
            "the dialog was ended after {} transitions without waiting for the user (dialog.maxTransitions); {what}: {}",
            self.most,
            names.join(" → ")
        )
    }
}

/// An instruction as a command.
fn command(text: &str) -> Command<'_> {
    match Instruction::parse(text) {
        Ok(Instruction::Say { content, args }) => Command::Say { content, args },
        Ok(Instruction::Action { name, args }) => Command::Run { name, args },
        Err(error) => Command::Fail(error.to_string()),
    }
}

/// A node, if there is one; the flow's first where none is named.
fn resolve(flows: &Flows, flow: &str, node: Option<&str>) -> Result<Point, String> {
    let Some(found) = flows.get(flow) else { return Err(format!("there is no flow {flow:?}")) };
    let name = node.unwrap_or(&found.start_node);
    if !found.nodes.contains_key(name) {
        let first = if node.is_none() { ", its startNode" } else { "" };
        return Err(format!("the flow {flow:?} has no node {name:?}{first}"));
    }
    Ok(Point { flow: flow.to_owned(), node: name.to_owned() })
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
