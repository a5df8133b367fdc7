//! Signs of life: each 50 ms, which threads run JavaScript, since when, and in which file.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::pool::Pool;
use crate::protocol::{Beat, FrameKind, Running};

/// How often a worker beats.
pub const EVERY: Duration = Duration::from_millis(50);

/// A script that computes for longer than this gives way to all others, in milliseconds: few do, and those rarely end soon.
const SLOW: u64 = 60;

/// Lowers the priority of a thread for good.
fn give_way(thread: i32) {
    // Only Linux has priorities of threads.
    #[cfg(target_os = "linux")]
    if thread > 0 {
        // It may have ended; otherwise nothing keeps it from being lowered.
        let _ = rustix::process::setpriority_process(rustix::process::Pid::from_raw(thread), 15);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = thread;
}

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
        if slice_ms > SLOW && !seat.slow.swap(true, Ordering::Relaxed) {
            give_way(seat.thread.load(Ordering::Relaxed));
        }
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
