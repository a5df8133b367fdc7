//! Whole conversations on a real realm: what is said, what is run, and the state that is kept.

mod actions;
mod jumps;
mod limits;
mod speech;

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};

use super::LoadedProgram;
use super::dialog::testing::flows;
use super::tests::{program, run_program};
use crate::config::ScriptLimits;
use crate::model::StateSnapshot;
use crate::program::{HookKind, Program, Role, Script, Shape};
use crate::protocol::{DispatchKind, FrameKind};

/// A bot with flows and actions, and its conversation with one user.
pub(super) struct Bot {
    pub(super) program: Program,
    pub(super) limits: ScriptLimits,
    pub(super) state: StateSnapshot,
    /// The log of all messages.
    pub(super) out: String,
    messages: u64,
}

impl Bot {
    pub(super) fn new(files: &Value) -> Self {
        Self::with_hooks(files, &[])
    }

    pub(super) fn with_hooks(files: &Value, hooks: &[(HookKind, &str, &str)]) -> Self {
        let mut program = program(hooks);
        program.bots[0].flows = flows(files).into();
        Self {
            program,
            limits: ScriptLimits::default(),
            state: StateSnapshot::default(),
            out: String::new(),
            messages: 0,
        }
    }

    pub(super) fn action(mut self, name: &str, source: &str) -> Self {
        self.program.bots[0].actions.insert(name.to_owned(), self.program.scripts.len() as u32);
        self.program.scripts.push(Arc::new(Script {
            path: format!("actions/{name}.js").into(),
            source: source.into(),
            role: Role::Action,
            shape: Shape { is_async: source.starts_with("// top-level await"), ..Shape::default() },
        }));
        self
    }

    pub(super) fn element(mut self, id: &str, form_data: &Value) -> Self {
        let json = json!({ "id": id, "contentType": "builtin_text", "formData": form_data });
        let element = crate::program::Element {
            content_type: "builtin_text".into(),
            json: serde_json::value::to_raw_value(&json).unwrap(),
        };
        self.program.bots[0].elements.insert(id.to_owned(), element);
        self
    }

    pub(super) fn content_type(mut self, id: &str, source: &str) -> Self {
        self.program.bots[0].content_types.insert(id.to_owned(), self.program.scripts.len() as u32);
        self.program.scripts.push(Arc::new(Script {
            path: format!("content-types/{id}.js").into(),
            source: source.into(),
            role: Role::ContentType,
            shape: Shape::default(),
        }));
        self
    }

    /// A message of the user.
    pub(super) fn message(&mut self, text: &str) -> &mut Self {
        let payload = json!({ "type": "text", "text": text });
        self.event(DispatchKind::Event, "text", &payload)
    }

    pub(super) fn event(&mut self, kind: DispatchKind, name: &str, payload: &Value) -> &mut Self {
        self.messages += 1;
        let event = json!({
            "id": (179_533_009_130_405_440_u64 + self.messages).to_string(), "type": name, "channel": "api", "target": "u",
            "botId": "welcome-bot", "direction": "incoming", "payload": payload, "createdOn": 1_795_330_091_304_u64,
        });
        let loaded = Arc::new(LoadedProgram::new(self.program.clone()));
        let frames = run_program(loaded, self.limits.clone(), kind, &event.to_string(), &self.state, Vec::new());
        writeln!(self.out, "> {name} {}", payload["text"].as_str().unwrap_or_default()).unwrap();
        let mut effects = 0..;
        for frame in frames {
            // Their numbers tell the server which of them it has already, when an event runs again.
            if frame.kind == FrameKind::Effect {
                assert_eq!(Some(frame.number), effects.next());
            }
            let value: Value = serde_json::from_slice(&frame.body).unwrap_or_default();
            match frame.kind {
                FrameKind::Effect => writeln!(self.out, "{}", told(&value["payload"])).unwrap(),
                FrameKind::Log => writeln!(
                    self.out,
                    "{} {}:{} {}",
                    value["level"].as_str().unwrap_or_default(),
                    value["file"].as_str().unwrap_or_default(),
                    value["line"],
                    value["message"].as_str().unwrap_or_default()
                )
                .unwrap(),
                FrameKind::Processed => self.processed(&value),
                _ => {}
            }
        }
        self
    }

    fn processed(&mut self, value: &Value) {
        let state = &value["state"];
        if state.is_null() {
            writeln!(self.out, "not stored").unwrap();
        }
        let kept = [
            ("session", &mut self.state.session),
            ("temp", &mut self.state.temp),
            ("context", &mut self.state.context),
        ];
        for (name, kept) in kept {
            if !state[name].is_null() {
                *kept = state[name].to_string();
            }
        }
        let mut user: Value = serde_json::from_str(&self.state.user).unwrap();
        for (key, changed) in state["user"].as_object().into_iter().flatten() {
            user[key] = changed.clone();
        }
        self.state.user = user.to_string();
        let steps = value["trace"].as_array().map(Vec::as_slice).unwrap_or_default();
        let steps: Vec<String> = steps.iter().map(step).filter(|step| !step.is_empty()).collect();
        if !steps.is_empty() {
            writeln!(self.out, "  {}", steps.join(" · ")).unwrap();
        }
    }

    /// The stored place and `temp`.
    pub(super) fn stored(&self) -> String {
        format!("{} {}", self.state.temp, self.state.context)
    }
}

fn told(payload: &Value) -> String {
    match payload["type"].as_str() {
        Some("text") => format!("< {}", payload["text"].as_str().unwrap_or_default()),
        _ => format!("< {payload}"),
    }
}

/// A step in a few words.
fn step(step: &Value) -> String {
    let text = |key: &str| step[key].as_str().unwrap_or_default();
    match text("s") {
        "node" | "jump" | "return" => {
            format!("{} {}#{}", text("s"), text("flow").replace(".flow.json", ""), text("node"))
        }
        "transition" => format!("{} → {}", text("if"), text("to")),
        "action" => format!("run {}{}", text("n"), if step["err"].is_null() { "" } else { " ✗" }),
        "hook" => format!("hook {}", text("k")),
        "say" => text("i").to_owned(),
        "end" => format!("end: {}", text("why")),
        "wait" => "wait".to_owned(),
        _ => String::new(),
    }
}

fn next(condition: &str, node: &str) -> Value {
    json!({ "condition": condition, "node": node })
}

/// A flow of one node.
fn one(node: &Value) -> Value {
    let mut node = node.clone();
    node["name"] = "entry".into();
    json!({ "main": { "nodes": [node] } })
}
