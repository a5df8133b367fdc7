//! Names that scripts find in scope.

use crate::program::Role;

/// What every wrapper gives.
const ALWAYS: [&str; 5] = crate::program::MODULE_PARAMETERS;
/// What an action gets besides.
const ACTION: [&str; 8] = ["bp", "event", "user", "temp", "session", "args", "bot", "workflow"];

/// The parameters of a role's wrapper.
pub(super) fn parameters(role: Role) -> Vec<&'static str> {
    let own: &[&str] = match role {
        Role::Hook(kind) => kind.row().args,
        Role::Action => &ACTION,
        Role::ContentType | Role::Module | Role::Json => &[],
    };
    ALWAYS.iter().chain(own).copied().collect()
}

/// Names that no wrapper can make local: assigning them does nothing, or something of its own.
const FIXED: [&str; 6] = ["Infinity", "NaN", "arguments", "eval", "globalThis", "undefined"];

/// Whether an assignment to that name is left to the language.
pub(super) fn is_fixed(name: &str) -> bool {
    FIXED.contains(&name)
}
