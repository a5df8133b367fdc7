//! Names that scripts find in scope.

use crate::program::Role;

/// What every wrapper gives.
const ALWAYS: [&str; 8] =
    ["module", "exports", "require", "__filename", "__dirname", "process", "console", "printObject"];
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

/// Globals: a file that assigns one (`Promise = require('bluebird')`) must still find the old one before that.
const GLOBALS: [&str; 88] = [
    "AbortController",
    "AbortSignal",
    "AggregateError",
    "Array",
    "ArrayBuffer",
    "Atomics",
    "BigInt",
    "BigInt64Array",
    "BigUint64Array",
    "Boolean",
    "Buffer",
    "DataView",
    "Date",
    "Error",
    "EvalError",
    "FinalizationRegistry",
    "Float16Array",
    "Float32Array",
    "Float64Array",
    "FormData",
    "Function",
    "Headers",
    "Infinity",
    "Int16Array",
    "Int32Array",
    "Int8Array",
    "Intl",
    "Iterator",
    "JSON",
    "Map",
    "Math",
    "NaN",
    "Number",
    "Object",
    "Promise",
    "Proxy",
    "RangeError",
    "ReferenceError",
    "Reflect",
    "RegExp",
    "Request",
    "Response",
    "Set",
    "SharedArrayBuffer",
    "String",
    "Symbol",
    "SyntaxError",
    "TextDecoder",
    "TextEncoder",
    "TypeError",
    "URIError",
    "URL",
    "URLSearchParams",
    "Uint16Array",
    "Uint32Array",
    "Uint8Array",
    "Uint8ClampedArray",
    "WeakMap",
    "WeakRef",
    "WeakSet",
    "_",
    "arguments",
    "atob",
    "btoa",
    "clearImmediate",
    "clearInterval",
    "clearTimeout",
    "crypto",
    "decodeURI",
    "decodeURIComponent",
    "encodeURI",
    "encodeURIComponent",
    "escape",
    "eval",
    "fetch",
    "global",
    "globalThis",
    "isFinite",
    "isNaN",
    "parseFloat",
    "parseInt",
    "performance",
    "queueMicrotask",
    "setImmediate",
    "setInterval",
    "setTimeout",
    "structuredClone",
    "undefined",
];

/// Whether a name is a global of the language or of ours.
pub(super) fn is_known_global(name: &str) -> bool {
    GLOBALS.binary_search(&name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_globals_are_sorted_for_the_search() {
        assert!(GLOBALS.is_sorted());
        assert!(is_known_global("Promise") && is_known_global("_") && !is_known_global("foo"));
    }
}
