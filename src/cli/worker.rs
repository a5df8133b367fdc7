//! `nudge worker`: the hidden command by which the server starts its script workers.

/// Becomes a worker. Must run before this process has started any thread: the worker locks itself in first.
pub(super) fn run() -> anyhow::Result<()> {
    Ok(crate::worker::run()?)
}
