//! Watching the workers: beats, silence, memory, events and compilations that take too long. What overruns is killed.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::core::Core;
use super::memory::Memory;
use super::pool::Role;
use super::process::millis;
use super::stats::gauge;
use super::verdict::Cause;
use super::work::Work;
use crate::protocol::{Beat, Running};

/// How long a worker may take to stand ready.
const START: Duration = Duration::from_secs(2);
/// What an event may take past `scripts.eventWaiting` to settle.
const PAST_WAITING: Duration = Duration::from_secs(2);
/// How long one file may take to compile, in milliseconds.
const COMPILE_FILE: u64 = 2_000;
/// A look that comes later than this says nothing about the workers: it is the server that was held up.
const HELD_UP: Duration = Duration::from_millis(250);
/// How long workers may take to end when they are told to.
const DRAIN: Duration = Duration::from_secs(1);

/// What is kept between two looks.
#[derive(Debug, Default)]
pub(super) struct Watch {
    last: Option<Instant>,
    ticks: u64,
    second: Option<Instant>,
    /// Events processed since `second`.
    pub(super) processed: usize,
    /// All workers together hold too much memory.
    pub(super) memory: Memory,
}

impl Core {
    /// One look at everything, each 50 ms.
    pub(super) fn tick(&mut self) {
        let now = Instant::now();
        let held_up = self.watch.last.is_none_or(|last| now - last > HELD_UP);
        self.watch.last = Some(now);
        self.watch.ticks += 1;
        self.look_at_starts(now);
        self.look_at_silence(now, held_up);
        self.look_at_flights(now);
        if self.watch.ticks.is_multiple_of(2) {
            self.look_at_memory(now);
        }
        if self.watch.second.is_none_or(|second| now - second >= Duration::from_secs(1)) {
            self.watch.second = Some(now);
            gauge(&self.shared.counters.rate, std::mem::take(&mut self.watch.processed));
            self.holds.prune(self.shared.clock.now());
            self.collectors.prune();
            for flight in self.flights.values_mut().filter(|flight| matches!(flight.work, Work::Hooks(_))) {
                flight.begin_second();
            }
            self.pool.forgive(now);
        }
        self.dismiss_idle_loners();
        self.pool.new_tick();
        self.replenish();
        self.go_on_stopping(now);
    }

    /// Who runs JavaScript right now, and for how long.
    pub(super) fn beat(&mut self, id: u32, beat: Beat) -> Result<(), String> {
        self.pool.count_beat(id)?;
        let settings = &self.shared.settings;
        let (slice, grace) = (settings.scripts.slice, settings.dispatch.grace);
        let overrun = beat.running.iter().find(|row| overruns(row, slice, grace));
        let own = |dispatch: u64| match dispatch {
            0 => self.pool.workers.get(&id).is_some_and(|worker| worker.compiling.is_some()),
            _ => self.flights.get(&dispatch).is_some_and(|flight| flight.worker == id),
        };
        // A row may name what has just ended. That it still runs, for so long, is no truth: nobody is accused on its word.
        if let Some(row) = overrun.filter(|row| !own(row.dispatch)) {
            return Err(format!("it says that dispatch {} runs, which it does not have", row.dispatch));
        }
        let cause = overrun.map(|row| Cause::Guilty {
            dispatch: row.dispatch,
            what: format!("killed after {} ms", row.slice_ms),
            hook: (!row.hook.is_empty()).then(|| row.hook.clone()),
            file: (!row.file.is_empty()).then(|| row.file.clone()),
        });
        if let Some(worker) = self.pool.workers.get_mut(&id) {
            worker.beat_at = Some(Instant::now());
            worker.running = beat.running;
        }
        if let Some(cause) = cause {
            self.kill(id, cause);
        }
        Ok(())
    }

    fn look_at_starts(&mut self, now: Instant) {
        let late =
            |(id, worker): (&u32, &super::pool::Worker)| (!worker.ready && now - worker.spawned > START).then_some(*id);
        for id in self.pool.workers.iter().filter_map(late).collect::<Vec<_>>() {
            self.kill(id, Cause::Crashed { what: "it did not stand ready within 2 s".to_owned() });
        }
    }

    fn look_at_silence(&mut self, now: Instant, held_up: bool) {
        let limit = self.shared.settings.dispatch.silence;
        let clock = millis(self.shared.started);
        let mut silent = Vec::new();
        for (id, worker) in self.pool.workers.iter_mut().filter(|(_, worker)| worker.ready) {
            if !worker.inward.has_room() && worker.out.unwritten.has_room() {
                // The store is behind, and nobody listens meanwhile. Who does not take in its answers is not excused.
                worker.excused = now;
            }
            let listening = now - worker.excused > Duration::from_millis(limit);
            let quiet = clock.saturating_sub(worker.heard.load(Ordering::Relaxed)) > limit;
            // Bytes of other kinds are no sign that its threads are watched.
            let beat = worker.beat_at.unwrap_or(worker.spawned);
            let beatless = now - beat > Duration::from_millis(limit.saturating_mul(5));
            let found = (quiet || beatless) && listening && !held_up;
            // Twice in a row: what it sent may lie in the socket while the server is busy.
            if found && worker.silent {
                silent.push(*id);
            }
            worker.silent = found;
        }
        for id in silent {
            self.kill(id, Cause::Crashed { what: format!("killed after {limit} ms without a sign of life") });
        }
    }

    fn look_at_flights(&mut self, now: Instant) {
        let allowed = Duration::from_millis(self.shared.settings.scripts.event_waiting) + PAST_WAITING;
        let overdue = self.flights.iter().filter(|(_, flight)| {
            // What start hooks leave behind stays as long as it likes.
            let open = matches!(flight.work, Work::Hooks(_)) && flight.processed;
            !open && now - flight.sent > allowed
        });
        let overdue: Vec<(u64, u32)> = overdue.map(|(dispatch, flight)| (*dispatch, flight.worker)).collect();
        for (dispatch, worker) in overdue {
            let what = format!("killed after {} ms: it was not given up in time", allowed.as_millis());
            self.kill(worker, Cause::Guilty { dispatch, what, hook: None, file: None });
        }
        let late = |worker: &super::pool::Worker| worker.compiling.as_ref().is_some_and(|one| now > one.deadline);
        let late: Vec<u32> = self.pool.workers.iter().filter(|(_, worker)| late(worker)).map(|(id, _)| *id).collect();
        for id in late {
            self.kill(id, Cause::Crashed { what: "killed: compiling took too long".to_owned() });
        }
    }

    /// A worker for suspects goes when there are none.
    fn dismiss_idle_loners(&mut self) {
        if !self.alone.is_empty() {
            return;
        }
        let idle = self.pool.workers.iter().filter(|(_, worker)| worker.role == Role::Alone && worker.flights == 0);
        for id in idle.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.kill(id, Cause::Told);
        }
    }

    fn go_on_stopping(&mut self, now: Instant) {
        let busy = self.flights.values().any(|flight| matches!(flight.work, Work::Event(_)));
        let Some(stop) = &mut self.stop else { return };
        if !stop.drained {
            if busy && now < stop.until {
                return;
            }
            stop.drained = true;
            stop.until = now + DRAIN;
            self.give_up_collectors();
            self.pool.drain();
        } else if self.pool.workers.is_empty() || now > stop.until {
            // Dropping the rest kills it. The answer comes when all that was submitted is committed.
            if let Some(answer) = stop.answer.take() {
                self.shared.store.barrier(move || {
                    // Who stops the server may have gone.
                    let _ = answer.send(());
                });
            }
        }
    }
}

/// Whether a thread is past what it may and the grace. What it claims to be allowed counts only if it is less than what
/// it is allowed.
pub(super) fn overruns(row: &Running, slice: u64, grace: u64) -> bool {
    let allowed = if row.dispatch == 0 { COMPILE_FILE } else { row.allowed_ms.min(slice) };
    row.slice_ms > allowed.saturating_add(grace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(dispatch: u64, slice_ms: u64, allowed_ms: u64) -> Running {
        Running { dispatch, slice_ms, allowed_ms, file: String::new(), hook: String::new() }
    }

    #[test]
    fn a_thread_is_killed_past_its_slice_and_the_grace_whatever_it_claims() {
        assert!(!overruns(&row(1, 1_200, 1_000), 1_000, 200));
        assert!(overruns(&row(1, 1_201, 1_000), 1_000, 200));
        assert!(overruns(&row(1, 1_201, u64::MAX), 1_000, 200));
        assert!(overruns(&row(1, 301, 100), 1_000, 200));
        assert!(!overruns(&row(0, 2_000, 0), 1_000, 200), "a file that is compiled has 2 s");
    }
}
