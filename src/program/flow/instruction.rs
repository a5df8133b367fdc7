//! The texts of a flow: instructions, conditions, destinations.

use serde_json::{Map, Value};

/// What an instruction does.
#[derive(Debug, Clone, PartialEq)]
pub enum Instruction<'a> {
    /// `say #!id`, `say #type {json}`, `say @type {json}`: renders content and replies.
    Say {
        /// The element or type with its `#` or `@`.
        content: &'a str,
        /// The arguments, where there are any.
        args: Option<Map<String, Value>>,
    },
    /// `name {json}`: runs an action.
    Action {
        /// Its name, such as `builtin/setVariable`.
        name: &'a str,
        /// The arguments, where there are any.
        args: Option<Map<String, Value>>,
    },
}

/// Why an instruction cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InstructionError {
    /// It says nothing.
    #[error("the instruction is empty")]
    Empty,
    /// `say` without content.
    #[error(
        "`say` needs an element or a content type, as in `say #!builtin_text-abc123` or `say #builtin_text {{\"text\": \"Hi\"}}`"
    )]
    NothingToSay,
    /// The arguments are no JSON.
    #[error("the arguments are not valid JSON: {0}")]
    Json(String),
    /// The arguments are JSON, but no object.
    #[error("the arguments must be a JSON object, as in {{\"name\": \"value\"}}")]
    NoObject,
}

impl<'a> Instruction<'a> {
    /// Reads an instruction.
    ///
    /// # Errors
    /// It is empty, or its arguments are no JSON object.
    pub fn parse(text: &'a str) -> Result<Self, InstructionError> {
        let text = text.trim();
        let (name, rest) = word(text);
        if name.is_empty() {
            return Err(InstructionError::Empty);
        }
        if name == "say" {
            let (content, rest) = word(rest);
            // An argument in its place, or a lone `#`.
            if content.len() < 2 || content.starts_with('{') {
                return Err(InstructionError::NothingToSay);
            }
            return Ok(Self::Say { content, args: arguments(rest)? });
        }
        Ok(Self::Action { name, args: arguments(rest)? })
    }
}

/// The first word and what follows it.
fn word(text: &str) -> (&str, &str) {
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

fn arguments(text: &str) -> Result<Option<Map<String, Value>>, InstructionError> {
    if text.is_empty() {
        return Ok(None);
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(args)) => Ok(Some(args)),
        Ok(_) => Err(InstructionError::NoObject),
        Err(error) => Err(InstructionError::Json(error.to_string())),
    }
}

/// When a transition is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'a> {
    /// `true`, `always`, or nothing at all.
    Always,
    /// `lastNode=<name>`: the node before was that one.
    LastNode(&'a str),
    /// A JavaScript expression.
    Script(&'a str),
}

impl<'a> Condition<'a> {
    /// Reads a condition.
    pub fn parse(text: &'a str) -> Self {
        let text = text.trim();
        if text.is_empty() || text == "true" || text == "always" {
            return Self::Always;
        }
        // `lastNode == "x"` is an expression.
        match text.strip_prefix("lastNode=") {
            Some(name) if !name.starts_with('=') => Self::LastNode(name.trim()),
            _ => Self::Script(text),
        }
    }
}

/// Where a transition leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination<'a> {
    /// Nowhere: it is not connected.
    Unconnected,
    /// `END`: the dialog ends.
    End,
    /// A node of the same flow.
    Node(&'a str),
    /// `x.flow.json`, `x.flow.json#node`: another flow.
    Flow {
        /// The flow's name.
        flow: &'a str,
        /// The node, if not its first one.
        node: Option<&'a str>,
    },
    /// `#`, `#name`, `##`, `##name`: back to the calling flow.
    Return {
        /// The node, if not the calling one.
        node: Option<&'a str>,
        /// Whether that node is executed again, instead of only its transitions.
        execute: bool,
    },
}

impl<'a> Destination<'a> {
    /// Reads a destination.
    pub fn parse(text: &'a str) -> Self {
        let text = text.trim();
        let named = |name: &'a str| (!name.is_empty()).then_some(name);
        if text.is_empty() {
            return Self::Unconnected;
        }
        if text.eq_ignore_ascii_case("end") {
            return Self::End;
        }
        if let Some(name) = text.strip_prefix("##") {
            return Self::Return { node: named(name), execute: true };
        }
        if let Some(name) = text.strip_prefix('#') {
            return Self::Return { node: named(name), execute: false };
        }
        let (flow, node) = text.split_once('#').map_or((text, None), |(flow, node)| (flow, named(node)));
        if flow.ends_with(".flow.json") { Self::Flow { flow, node } } else { Self::Node(text) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Option<Map<String, Value>> {
        value.as_object().cloned()
    }

    #[test]
    fn instructions_say_content_or_run_actions() {
        let say = |content, args| Ok(Instruction::Say { content, args });
        let action = |name, args| Ok(Instruction::Action { name, args });
        assert_eq!(Instruction::parse("say #!builtin_text-abc"), say("#!builtin_text-abc", None));
        assert_eq!(
            Instruction::parse(" say  #builtin_text  {\"text\": \"a b\"} "),
            say("#builtin_text", object(json!({ "text": "a b" })))
        );
        assert_eq!(Instruction::parse("say @builtin_card {}"), say("@builtin_card", object(json!({}))));
        assert_eq!(Instruction::parse("builtin/wait"), action("builtin/wait", None));
        assert_eq!(
            Instruction::parse(
                "builtin/setVariable {\"type\":\"temp\",\"name\":\"x\",\"value\":\"{{event.preview}}\"}"
            ),
            action("builtin/setVariable", object(json!({ "type": "temp", "name": "x", "value": "{{event.preview}}" })))
        );
        assert_eq!(Instruction::parse("  "), Err(InstructionError::Empty));
        assert_eq!(Instruction::parse("say"), Err(InstructionError::NothingToSay));
        assert_eq!(Instruction::parse("say {}"), Err(InstructionError::NothingToSay));
        assert_eq!(Instruction::parse("x [1]"), Err(InstructionError::NoObject));
        assert!(matches!(Instruction::parse("x {a:1}"), Err(InstructionError::Json(_))));
    }

    #[test]
    fn conditions_are_always_true_the_last_node_or_expressions() {
        for text in ["true", " always ", ""] {
            assert_eq!(Condition::parse(text), Condition::Always);
        }
        assert_eq!(Condition::parse("lastNode=entry"), Condition::LastNode("entry"));
        for text in ["lastNode == 'x'", "lastNode==1", "temp.x <= undefined"] {
            assert_eq!(Condition::parse(text), Condition::Script(text));
        }
    }

    #[test]
    fn destinations_are_nodes_flows_returns_and_ends() {
        let back = |node, execute| Destination::Return { node, execute };
        let flow = |flow, node| Destination::Flow { flow, node };
        for (text, expected) in [
            ("", Destination::Unconnected),
            ("END", Destination::End),
            ("node-1", Destination::Node("node-1")),
            ("skills/x.flow.json", flow("skills/x.flow.json", None)),
            ("x.flow.json#there", flow("x.flow.json", Some("there"))),
            ("x.flow.json#", flow("x.flow.json", None)),
            ("#", back(None, false)),
            ("#name", back(Some("name"), false)),
            ("##", back(None, true)),
            ("##name", back(Some("name"), true)),
        ] {
            assert_eq!(Destination::parse(text), expected, "{text}");
        }
    }
}
