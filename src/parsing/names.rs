//! Names that scripts find in scope.

use crate::program::{ACTION_PARAMETERS, MODULE_PARAMETERS, Role};

/// The parameters of a role's wrapper.
pub(super) fn parameters(role: Role) -> Vec<&'static str> {
    let own: &[&str] = match role {
        Role::Hook(kind) => kind.row().args,
        Role::Action => &ACTION_PARAMETERS,
        Role::ContentType | Role::Module | Role::Json => &[],
    };
    MODULE_PARAMETERS.iter().chain(own).copied().collect()
}

/// Names that no wrapper can make local: assigning them does nothing, or something of its own.
const FIXED: [&str; 6] = ["Infinity", "NaN", "arguments", "eval", "globalThis", "undefined"];

/// Whether an assignment to that name is left to the language.
pub(super) fn is_fixed(name: &str) -> bool {
    FIXED.contains(&name)
}
