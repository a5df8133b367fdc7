//! What the tests of this module share.

use crate::config::{Problem, ReadLimits};
use crate::program::Role;
use crate::reading::ScriptFacts;

/// Parses a script, on a stack like that of the process which does so otherwise.
pub(super) fn parse(path: &str, source: &str, role: Role) -> Result<ScriptFacts, Vec<Problem>> {
    let limits = ReadLimits::default();
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(limits.stack());
        let reader = reader.spawn_scoped(scope, || super::script::parse(path, source, role, &limits));
        reader.expect("a thread can be started").join().expect("it can be parsed")
    })
}
