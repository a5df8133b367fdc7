//! The content of one bot for the scripts of another: a realm knows only its own.

use serde_json::value::RawValue;

use crate::program::Program;

/// The method by which a realm asks for it. It is none of `bp`.
pub(super) const METHOD: &str = "content.of";

/// The answer to such a request, whose arguments are `[botId]`: `{ config, defaultLanguage, elements: { id: element } }`, or
/// `null` where there is no such bot.
pub(super) fn content_of(_program: &Program, _arguments: &RawValue) -> String {
    "null".into()
}
