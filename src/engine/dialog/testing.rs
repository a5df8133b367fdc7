//! Flows for tests, written as the editor saves them.

use serde_json::{Value, json};

use super::Flows;
use crate::program::Flow;

/// Flows by name. Nodes are a list, as in files; what a node leaves out is empty.
pub(crate) fn flows(files: &Value) -> Flows {
    files.as_object().unwrap().iter().map(|(name, file)| (format!("{name}.flow.json"), flow(name, file))).collect()
}

fn flow(name: &str, file: &Value) -> Flow {
    let mut nodes = serde_json::Map::new();
    for node in file["nodes"].as_array().unwrap() {
        let mut made = node.clone();
        if node["type"] == "skill-call" {
            made["skill"] = node["flow"].clone();
        }
        nodes.insert(node["name"].as_str().unwrap().to_owned(), made);
    }
    let first = file["nodes"][0]["name"].clone();
    let mut made = json!({ "path": format!("bots/bot/flows/{name}.flow.json"), "startNode": first, "nodes": nodes });
    for key in ["startNode", "catchAll", "timeoutNode"] {
        if !file[key].is_null() {
            made[key] = file[key].clone();
        }
    }
    serde_json::from_value(made).unwrap()
}
