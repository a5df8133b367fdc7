//! Signs of life: each 50 ms, which threads run JavaScript, since when, and in which file.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::pool::Pool;
use crate::protocol::{Beat, FrameKind, Running};

/// How often a worker beats.
pub const EVERY: Duration = Duration::from_millis(50);

/// Beats for ever.
pub(super) fn run(pool: &Arc<Pool>) {
    loop {
        std::thread::sleep(EVERY);
        pool.outbox.send(FrameKind::Beat, 0, 0, &beat(pool));
    }
}

fn beat(pool: &Pool) -> Beat {
    let mut beat = Beat::default();
    for seat in pool.seats() {
        let Some((slice_ms, allowed_ms)) = seat.status.running() else { continue };
        let program = seat.program.lock().clone();
        let script = seat.status.script.load(Ordering::Relaxed);
        let file = program.as_ref().and_then(|loaded| loaded.program.scripts.get(script as usize));
        let dispatch = seat.status.dispatch.load(Ordering::Relaxed);
        beat.running.push(match file {
            Some(file) => Running::new(dispatch, slice_ms, allowed_ms, file),
            None => Running { dispatch, slice_ms, allowed_ms, file: String::new(), hook: String::new() },
        });
    }
    beat
}
