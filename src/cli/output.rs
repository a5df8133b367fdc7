//! The one place that writes to the terminal. A closed pipe (`nudge check | head`) ends nothing.
#![allow(clippy::print_stdout, reason = "what a command prints is its result; the log goes elsewhere")]

use std::fmt::Arguments;
use std::io::{IsTerminal as _, Write as _};

use crate::config::secrets::hide;

/// Writes one line of a command's result to stdout.
pub(super) fn line(text: Arguments<'_>) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// Writes one line about a failure to stderr. Lines of a configuration file may be in it: what is a secret by its place is hidden.
pub(super) fn complaint(text: Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", hide(&text.to_string()));
}

/// Writes to stderr what a person should know and a script need not: only where stderr is a terminal.
pub(super) fn hint(text: Arguments<'_>) {
    if std::io::stderr().is_terminal() {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }
}

/// Whether stderr may be coloured: it is a terminal and `NO_COLOR` is unset or empty.
pub(super) fn colour_on_stderr() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
