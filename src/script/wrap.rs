//! The text around a script that makes a function of it.
//!
//! QuickJS has no line offset for evaluation, so the wrapper's head stands on the script's own first line and errors of
//! that line have their columns corrected; the tail begins with a newline, or a trailing `//` comment would swallow it.
//! That a script cannot close its wrapper is checked when it is parsed (`reload`).

use crate::program::{ACTION_PARAMETERS, MODULE_PARAMETERS, Role, Script};

/// A wrapped script.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrapped {
    /// An expression whose value is the function.
    pub text: String,
    /// Columns that the head takes on line 1.
    pub head_columns: u32,
}

/// Wraps a script as a function of its kind's arguments and [`MODULE_PARAMETERS`].
pub fn wrap(script: &Script) -> Wrapped {
    let head = head(script);
    let source = script.source.strip_prefix('\u{feff}').unwrap_or(&script.source);
    // A hashbang is a comment only at the very beginning of a text.
    let (comment, source) = match source.strip_prefix("#!") {
        Some(rest) => ("//", rest),
        None => ("", source),
    };
    Wrapped { text: format!("{head}{comment}{source}\n}})"), head_columns: columns(&head) }
}

/// Columns that the head takes on line 1, as [`wrap`] says, without the text.
pub fn head_columns(script: &Script) -> u32 {
    columns(&head(script))
}

fn columns(head: &str) -> u32 {
    u32::try_from(head.chars().count()).unwrap_or(0)
}

fn head(script: &Script) -> String {
    let kind: &[&str] = match script.role {
        Role::Hook(kind) => kind.row().args,
        Role::Action => &ACTION_PARAMETERS,
        Role::ContentType | Role::Module | Role::Json => &[],
    };
    let mut head = String::from(if script.shape.is_async { "(async function(" } else { "(function(" });
    for (index, name) in kind.iter().chain(&MODULE_PARAMETERS).enumerate() {
        if index > 0 {
            head.push(',');
        }
        // The position stays, the name gives way to the script's own declaration.
        if script.shape.redeclared.iter().any(|own| own == name) {
            head.push_str("$nudge");
            head.push_str(&index.to_string());
        } else {
            head.push_str(name);
        }
    }
    head.push_str("){");
    if !script.shape.strict && !script.shape.implicit.is_empty() {
        // A name that is also a global begins with the global's value: `Promise = require('bluebird')` may come late.
        let names: Vec<String> = script.shape.implicit.iter().map(|name| format!("{name}=globalThis.{name}")).collect();
        head.push_str("var ");
        head.push_str(&names.join(","));
        head.push(';');
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{HookKind, Shape};

    fn script(source: &str, shape: Shape) -> Script {
        Script {
            path: "hooks/x.js".into(),
            source: source.into(),
            role: Role::Hook(HookKind::BeforeIncomingMiddleware),
            shape,
        }
    }

    #[test]
    fn a_hook_is_a_function_of_its_kinds_arguments() {
        let wrapped = wrap(&script("return 1 // done", Shape::default()));
        assert_eq!(
            wrapped.text,
            "(function(bp,event,module,exports,require,__filename,__dirname){return 1 // done\n})"
        );
        assert_eq!(wrapped.head_columns, 64);
    }

    #[test]
    fn undeclared_names_become_locals_and_redeclared_parameters_give_way() {
        let shape = Shape {
            is_async: true,
            implicit: vec!["foo".into()],
            redeclared: vec!["module".into()],
            ..Shape::default()
        };
        let script = script("foo = 1", shape);
        assert_eq!(head_columns(&script), wrap(&script).head_columns);
        assert_eq!(
            wrap(&script).text,
            "(async function(bp,event,$nudge2,exports,require,__filename,__dirname){var foo=globalThis.foo;foo = 1\n})"
        );
    }
}
