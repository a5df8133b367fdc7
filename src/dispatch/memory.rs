//! How much memory the workers hold. One that holds too much is killed. While all together hold too much, no event is
//! begun, and the largest is replaced, one after the other: idle realms go only with their process.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::core::Core;
use super::pool::{Role, Worker};
use super::verdict::Cause;

/// How long a worker that is replaced may take to finish what it has.
const FINISH: Duration = Duration::from_secs(5);

/// Too much memory is held by all workers together.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// Since when; nothing is dispatched.
    paused: Option<Instant>,
    /// Even new workers hold too much: the limit cannot be kept, and events go on.
    hopeless: bool,
}

/// What is to be done about it.
#[derive(Debug, PartialEq, Eq)]
enum Relief {
    /// Nothing: one is on its way, or not all stand ready yet.
    Wait,
    /// That one is replaced.
    Replace(u32),
    /// All were replaced in vain.
    Hopeless,
}

/// One worker as far as its memory is concerned.
#[derive(Debug, Clone, Copy)]
struct Holder {
    id: u32,
    resident: u64,
    spawned: Instant,
    ready: bool,
    going: bool,
}

impl Memory {
    /// Whether nothing may be dispatched.
    pub(super) fn paused(&self) -> bool {
        self.paused.is_some() && !self.hopeless
    }
}

/// The largest of those that were there when the pause began goes, one at a time.
fn relief(since: Instant, holders: &[Holder]) -> Relief {
    if holders.iter().any(|holder| holder.going || !holder.ready) {
        return Relief::Wait;
    }
    let old = holders.iter().filter(|holder| holder.spawned <= since);
    old.max_by_key(|holder| holder.resident).map_or(Relief::Hopeless, |holder| Relief::Replace(holder.id))
}

impl Core {
    pub(super) fn look_at_memory(&mut self, now: Instant) {
        let settings = &self.shared.settings.dispatch;
        let (each, all) = (settings.worker_resident, settings.all_resident);
        let holder = |(id, worker): (&u32, &Worker)| Holder {
            id: *id,
            resident: resident_bytes(worker.pid),
            spawned: worker.spawned,
            ready: worker.ready,
            going: worker.dying.is_some() || worker.retiring.is_some(),
        };
        let holders: Vec<Holder> = self.pool.workers.iter().map(holder).collect();
        let sum = holders.iter().map(|holder| holder.resident).sum();
        self.shared.counters.resident_bytes.store(sum, Ordering::Relaxed);
        for Holder { id, resident, .. } in holders.iter().filter(|holder| holder.resident > each) {
            self.kill(*id, Cause::Crashed { what: format!("killed: it held {} MB of memory", resident >> 20) });
        }
        self.relieve(now, sum, all, &holders);
        let late = |worker: &Worker| worker.retiring.is_some_and(|until| now > until);
        let late: Vec<u32> = self.pool.workers.iter().filter(|(_, worker)| late(worker)).map(|(id, _)| *id).collect();
        for id in late {
            self.kill(id, Cause::Told);
        }
    }

    fn relieve(&mut self, now: Instant, sum: u64, all: u64, holders: &[Holder]) {
        if sum <= all {
            if self.watch.memory.paused.take().is_some() && !std::mem::take(&mut self.watch.memory.hopeless) {
                tracing::info!("script workers hold {} MB: events go on", sum >> 20);
            }
            return;
        }
        let since = *self.watch.memory.paused.get_or_insert_with(|| {
            tracing::warn!(
                "script workers hold {} MB: no event is begun until they hold less than {} MB (`scripts.allResident`)",
                sum >> 20,
                all >> 20
            );
            now
        });
        if self.watch.memory.hopeless || self.stop.is_some() {
            return;
        }
        match relief(since, holders) {
            Relief::Wait => {}
            Relief::Replace(id) => self.replace(id, now),
            Relief::Hopeless => {
                self.watch.memory.hopeless = true;
                tracing::error!(
                    "new script workers hold {} MB already; events go on. Raise `scripts.allResident` or lower \
                     `scripts.workers`",
                    sum >> 20
                );
            }
        }
    }

    fn replace(&mut self, id: u32, now: Instant) {
        let Some(worker) = self.pool.workers.get_mut(&id) else { return };
        tracing::info!("worker {id} is replaced");
        if worker.role == Role::Resident {
            // What start hooks left behind does not end by itself; it is begun anew in the next one.
            self.kill(id, Cause::Told);
        } else {
            worker.retire(now + FINISH);
        }
        self.promote_spare();
    }
}

/// Resident memory of a process, 0 where the system does not tell.
fn resident_bytes(pid: u32) -> u64 {
    let Ok(status) = std::fs::read_to_string(format!("/proc/{pid}/status")) else { return 0 };
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_worker_is_replaced_and_new_ones_are_left_alone() {
        let start = Instant::now();
        let later = start + Duration::from_secs(1);
        let holder = |id, resident, spawned| Holder { id, resident, spawned, ready: true, going: false };
        let all = [holder(1, 300, start), holder(2, 500, start), holder(3, 900, later)];
        assert_eq!(relief(start, &all), Relief::Replace(2));
        let going = [Holder { going: true, ..all[1] }, all[0]];
        assert_eq!(relief(start, &going), Relief::Wait, "one at a time");
        assert_eq!(relief(start, &[Holder { ready: false, ..all[2] }, all[0]]), Relief::Wait);
        assert_eq!(relief(start, &all[2..]), Relief::Hopeless, "replacing them again would be no better");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_tells_its_memory() {
        assert!(resident_bytes(std::process::id()) > 1 << 20);
        assert_eq!(resident_bytes(u32::MAX), 0);
    }
}
