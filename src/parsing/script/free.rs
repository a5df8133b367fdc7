//! Names of a script that are none of its own: `require`, `bp`, globals.

use oxc_ast::ast::IdentifierReference;
use oxc_semantic::Scoping;

/// Whether a name is none of the file's own.
pub(super) fn is_free(identifier: &IdentifierReference<'_>, scoping: &Scoping) -> bool {
    let reference = identifier.reference_id.get().map(|id| scoping.get_reference(id));
    reference.is_none_or(|reference| reference.symbol_id().is_none())
}
