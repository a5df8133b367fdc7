//! The parts of a node as lists, and where in them a conversation goes on.

use serde::{Deserialize, Serialize};

use super::cursor::{NodePart, Point, Position};
use crate::program::Flow;
use crate::program::flow::instruction::{Condition, Destination};
use crate::program::flow::{Node, Transition};

/// A place within a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The part.
    pub stage: NodePart,
    /// How many of it are done.
    pub done: usize,
}

impl NodePart {
    /// The part that follows.
    pub fn after(self) -> Self {
        match self {
            Self::Jump => Self::OnEnter,
            Self::OnEnter => Self::Skill,
            Self::Skill => Self::Wait,
            Self::Wait => Self::CatchAll,
            Self::CatchAll => Self::OnReceive,
            Self::OnReceive => Self::Content,
            Self::Content | Self::Next => Self::Next,
        }
    }
}

/// A node, its flow, and their names.
#[derive(Debug, Clone, Copy)]
pub struct Here<'f> {
    /// The flow's name.
    pub flow_name: &'f str,
    /// The flow.
    pub flow: &'f Flow,
    /// The node's name.
    pub node_name: &'f str,
    /// The node.
    pub node: &'f Node,
}

impl<'f> Here<'f> {
    /// The instructions of a part; none of a part that has none.
    pub fn instructions(&self, stage: NodePart) -> &'f [String] {
        match (stage, &self.node.on_receive) {
            (NodePart::OnEnter, _) => &self.node.on_enter,
            (NodePart::CatchAll, Some(_)) => &self.flow.catch_all.on_receive,
            (NodePart::OnReceive, Some(instructions)) => instructions,
            _ => &[],
        }
    }

    /// The transitions of a part: those of the flow that lead elsewhere, then the node's own.
    pub fn transitions(&self, stage: NodePart) -> impl Iterator<Item = &'f Transition> {
        let here = *self;
        let elsewhere = move |transition: &&Transition| match Destination::parse(&transition.node) {
            Destination::Node(node) => node != here.node_name,
            Destination::Flow { flow, node } => {
                flow != here.flow_name || node.unwrap_or(&here.flow.start_node) != here.node_name
            }
            _ => true,
        };
        let own: &'f [Transition] = if stage == NodePart::Next { &self.node.next } else { &[] };
        self.flow.catch_all.next.iter().filter(elsewhere).chain(own)
    }

    /// The instruction or condition at a cursor; empty where there is none.
    pub fn text(&self, cursor: Cursor) -> &'f str {
        match cursor.stage {
            NodePart::Jump | NodePart::Next => {
                self.transitions(cursor.stage).nth(cursor.done).map_or("", |transition| &transition.condition)
            }
            NodePart::Skill => self.node.skill.as_deref().unwrap_or_default(),
            NodePart::Content => self.node.content.as_ref().map_or("", |content| &content.content_type),
            stage => self.instructions(stage).get(cursor.done).map_or("", |text| text),
        }
    }

    /// The same for messages: with where a transition leads.
    pub fn described(&self, cursor: Cursor) -> String {
        match cursor.stage {
            NodePart::Jump | NodePart::Next => self
                .transitions(cursor.stage)
                .nth(cursor.done)
                .map_or_else(String::new, |transition| format!("{} → {}", transition.condition, transition.node)),
            _ => self.text(cursor).to_owned(),
        }
    }

    /// Where a conversation goes on that waited at a position. The flow may have been edited meanwhile.
    pub fn resumed(&self, position: &Position) -> Cursor {
        let Position { stage, done, instruction, .. } = position;
        if *stage == NodePart::Wait {
            return Cursor { stage: NodePart::CatchAll, done: 0 };
        }
        let at = |done| Cursor { stage: *stage, done };
        let Some(instruction) = instruction else { return at(*done) };
        if self.text(at(*done)) == instruction {
            return at(*done);
        }
        let length = match stage {
            NodePart::Jump | NodePart::Next => self.transitions(*stage).count(),
            stage => self.instructions(*stage).len(),
        };
        // It may stand elsewhere now; or something else stands in its place, which is then the repair.
        at((0..length).find(|index| self.text(at(*index)) == instruction).unwrap_or((*done).min(length)))
    }
}

/// Whether a condition holds, as far as it can be told without a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds<'f> {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// A script must tell.
    Ask(&'f str),
}

/// Whether a condition holds for somebody who comes from `previous`.
pub fn holds<'f>(condition: &'f str, previous: Option<&Point>) -> Holds<'f> {
    match Condition::parse(condition) {
        Condition::Always => Holds::Yes,
        Condition::LastNode(name) if previous.is_some_and(|point| point.node == name) => Holds::Yes,
        Condition::LastNode(_) => Holds::No,
        Condition::Script(text) => Holds::Ask(text),
    }
}
