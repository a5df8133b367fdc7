//! Where a conversation stands: `event.state.context` as scripts see it and the store keeps it.
//!
//! Scripts may have put anything there: what has not the right shape counts as absent.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A node of a flow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// The flow's name.
    pub flow: String,
    /// The node's name.
    pub node: String,
}

impl std::fmt::Display for Point {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.flow, self.node)
    }
}

/// The parts of a node, in the order in which they are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NodePart {
    /// After a jump: the flow's transitions, before everything else.
    Jump,
    /// Instructions on entering.
    OnEnter,
    /// The flow that a skill node enters.
    Skill,
    /// For the user.
    Wait,
    /// The flow's instructions on a message.
    CatchAll,
    /// The node's own.
    OnReceive,
    /// The content of a `say_something` node.
    Content,
    /// Transitions, those of the flow first.
    Next,
}

/// Names of the stages in a stored context.
const NODE_PARTS: [(NodePart, &str); 8] = [
    (NodePart::Jump, "jump"),
    (NodePart::OnEnter, "onEnter"),
    (NodePart::Skill, "skill"),
    (NodePart::Wait, "wait"),
    (NodePart::CatchAll, "catchAll"),
    (NodePart::OnReceive, "onReceive"),
    (NodePart::Content, "content"),
    (NodePart::Next, "next"),
];

impl NodePart {
    fn name(self) -> &'static str {
        NODE_PARTS.iter().find(|(stage, _)| *stage == self).map_or("", |(_, name)| name)
    }
}

/// What comes next in a node: a position rather than instructions, so that a flow that is edited while its user waits
/// takes effect for the next message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The node it belongs to, as `flow#node`: a script may have moved the conversation elsewhere meanwhile.
    pub at: String,
    /// The part of the node.
    pub stage: NodePart,
    /// How many of that part are done.
    pub done: usize,
    /// The instruction or condition that is to be tried again.
    pub instruction: Option<String>,
}

/// Where a conversation stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DialogCursor {
    /// The flow; `None` is no dialog.
    pub flow: Option<String>,
    /// The node; `None` is the flow's first.
    pub node: Option<String>,
    /// The node before.
    pub previous: Option<Point>,
    /// Where `#` leads, the last one first to be used.
    pub jump_points: Vec<Point>,
    /// Whether a script has jumped there and the node was not entered yet.
    pub has_jumped: bool,
    /// What comes next in the node.
    pub queue: Option<Position>,
}

/// Most points of return that are kept; the oldest go.
pub const MOST_JUMP_POINTS: usize = 100;

impl DialogCursor {
    /// Reads a context.
    pub fn read(json: &str) -> Self {
        let context: Value = serde_json::from_str(json).unwrap_or_default();
        let text =
            |value: &Value, key: &str| value[key].as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        let point = |flow, node| Some(Point { flow: flow?, node: node? });
        let points = context["jumpPoints"].as_array().map(Vec::as_slice).unwrap_or_default();
        let queue = &context["queue"];
        let stage = NODE_PARTS.iter().find(|(_, name)| queue["stage"] == *name);
        Self {
            flow: text(&context, "currentFlow"),
            node: text(&context, "currentNode"),
            previous: point(text(&context, "previousFlow"), text(&context, "previousNode")),
            jump_points: points.iter().filter_map(|value| point(text(value, "flow"), text(value, "node"))).collect(),
            has_jumped: context["hasJumped"] == true,
            queue: stage.map(|(stage, _)| Position {
                at: text(queue, "at").unwrap_or_default(),
                stage: *stage,
                done: queue["done"].as_u64().and_then(|done| usize::try_from(done).ok()).unwrap_or(0),
                instruction: text(queue, "instruction"),
            }),
        }
    }

    /// The context as it is stored.
    pub fn write(&self) -> String {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Context<'a> {
            #[serde(skip_serializing_if = "Option::is_none")]
            current_flow: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            current_node: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            previous_flow: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            previous_node: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            jump_points: Option<&'a [Point]>,
            #[serde(skip_serializing_if = "std::ops::Not::not")]
            has_jumped: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            queue: Option<Queue<'a>>,
        }
        #[derive(Serialize)]
        struct Queue<'a> {
            at: &'a str,
            stage: &'static str,
            done: usize,
            #[serde(skip_serializing_if = "Option::is_none")]
            instruction: Option<&'a str>,
        }
        let context = Context {
            current_flow: self.flow.as_deref(),
            current_node: self.node.as_deref(),
            previous_flow: self.previous.as_ref().map(|point| point.flow.as_str()),
            previous_node: self.previous.as_ref().map(|point| point.node.as_str()),
            // Nobody who is in no dialog returns anywhere.
            jump_points: self.flow.as_ref().map(|_| self.jump_points.as_slice()),
            has_jumped: self.has_jumped,
            queue: self.queue.as_ref().map(|queue| Queue {
                at: &queue.at,
                stage: queue.stage.name(),
                done: queue.done,
                instruction: queue.instruction.as_deref(),
            }),
        };
        serde_json::to_string(&context).unwrap_or_default()
    }

    /// Remembers where to return to.
    pub fn push(&mut self, point: Point) {
        self.jump_points.push(point);
        if self.jump_points.len() > MOST_JUMP_POINTS {
            self.jump_points.remove(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_as_written() {
        let point = |node: &str| Point { flow: "main.flow.json".into(), node: node.into() };
        for stage in NODE_PARTS.map(|(stage, _)| stage) {
            let place = DialogCursor {
                flow: Some("skills/x.flow.json".into()),
                node: Some("entry".into()),
                previous: Some(point("before")),
                jump_points: vec![point("a"), point("b")],
                has_jumped: true,
                queue: Some(Position {
                    at: "skills/x.flow.json#entry".into(),
                    stage,
                    done: 2,
                    instruction: Some("say #!x".into()),
                }),
            };
            assert_eq!(DialogCursor::read(&place.write()), place);
        }
        assert_eq!(DialogCursor::read(&DialogCursor::default().write()), DialogCursor::default());
    }

    #[test]
    fn what_scripts_have_put_there_counts_as_absent_where_it_has_another_shape() {
        for json in
            ["", "null", "7", "[]", r#"{"currentFlow":5,"currentNode":{},"jumpPoints":[1,{"flow":"x"}],"queue":"x"}"#]
        {
            assert_eq!(DialogCursor::read(json), DialogCursor::default(), "{json}");
        }
    }

    #[test]
    fn a_hundred_points_of_return_are_kept() {
        let mut place = DialogCursor::default();
        for index in 0..150 {
            place.push(Point { flow: "x.flow.json".into(), node: index.to_string() });
        }
        assert_eq!(place.jump_points.len(), MOST_JUMP_POINTS);
        assert_eq!(place.jump_points[0].node, "50");
    }
}
