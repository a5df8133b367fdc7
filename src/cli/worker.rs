//! `nudge worker`: the hidden command by which the server starts its script workers.

use std::process::ExitCode;

/// Becomes a worker. Must run before this process has started any thread: the worker locks itself in first.
pub(super) fn run() -> ExitCode {
    crate::worker::run()
}
