//! Where a conversation goes whose user did not come back in time.

use super::cursor::{DialogCursor, Point};
use super::{Flows, resolve};
use crate::program::flow::instruction::Destination;
use crate::program::flow::{TIMEOUT_FLOW, TIMEOUT_NODE, flow_name};

/// What is found out about a time-out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// The place to jump to.
    pub place: Option<DialogCursor>,
    /// What is named and is not there.
    pub warnings: Vec<String>,
}

/// The first of: the node's `timeoutNode`, the flow's, a node called `timeout` in the flow or in the one that called it,
/// `timeout.flow.json`.
pub fn target(flows: &Flows, place: &DialogCursor) -> Target {
    let mut found = Target::default();
    let Some(flow) = place.flow.as_deref().map(flow_name) else { return found };
    let here = flows.get(&*flow);
    let node = here.and_then(|here| here.nodes.get(place.node.as_deref().unwrap_or(&here.start_node)));
    let named =
        [node.and_then(|node| node.timeout_node.as_deref()), here.and_then(|flow| flow.timeout_node.as_deref())];
    for text in named.into_iter().flatten() {
        let point = match Destination::parse(text) {
            Destination::Node(node) => resolve(flows, &flow, Some(node)),
            Destination::Flow { flow, node } => resolve(flows, flow, node),
            Destination::Unconnected => continue,
            Destination::End | Destination::Return { .. } => Err(format!("{text:?} is neither a node nor a flow")),
        };
        match point {
            Ok(point) => {
                found.place = Some(jump(place, point, place.jump_points.clone()));
                return found;
            }
            Err(missing) => found.warnings.push(format!("timeoutNode {text:?}: {missing}")),
        }
    }
    let mut callers = place.jump_points.clone();
    let caller = callers.pop();
    let timeout = |flow: &str| resolve(flows, flow, Some(TIMEOUT_NODE)).ok();
    found.place = if let Some(point) = timeout(&flow) {
        Some(jump(place, point, place.jump_points.clone()))
    } else if let Some(point) = caller.and_then(|caller| timeout(&caller.flow)) {
        Some(jump(place, point, callers))
    } else {
        resolve(flows, TIMEOUT_FLOW, None).ok().map(|point| jump(place, point, place.jump_points.clone()))
    };
    found
}

fn jump(from: &DialogCursor, to: Point, jump_points: Vec<Point>) -> DialogCursor {
    let previous = from.flow.clone().zip(from.node.clone()).map(|(flow, node)| Point { flow, node });
    DialogCursor { flow: Some(to.flow), node: Some(to.node), previous, jump_points, has_jumped: true, queue: None }
}
