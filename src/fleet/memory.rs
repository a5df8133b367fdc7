//! How much memory the processes of scripts hold. One that holds too much is killed, and its event is over. While all together
//! hold too much, idle realms go, those that were idle for longest first, then zygotes that nobody uses; if that does not
//! help, no bot gets another realm beside the one that it has.

use std::time::{Duration, Instant};

use super::orders::{Cause, Note, Order, ProcessId};
use super::state::{Fleet, Realm, Role, State};

/// Processes that are looked at at once: reading what one holds takes the kernel a while.
const AT_ONCE: usize = 32;
/// A zygote that made nothing for that long may go where memory is short.
const UNUSED: Duration = Duration::from_secs(10);

impl Fleet {
    /// Whether nothing may be begun: too much is held, and something runs whose end will change that. What lives on for ever
    /// keeps no event from being run.
    pub(super) fn is_out_of_memory(&self) -> bool {
        let ends = |realm: &Realm| match &realm.state {
            State::Busy(busy) => busy.until.is_some(),
            State::Ending { .. } => true,
            State::Idle { .. } => false,
        };
        self.memory.short && self.realms.values().any(ends)
    }

    /// Has some processes looked at, in turn.
    pub(super) fn look_at_memory(&mut self, now: Instant) {
        let made = self.realms.iter().filter(|(_, realm)| realm.made.is_some()).map(|(id, _)| *id);
        let all: Vec<ProcessId> = made.collect();
        let from = all.partition_point(|id| *id <= self.memory.last);
        let turn = all[from..].iter().chain(&all[..from]).take(AT_ONCE);
        for process in turn {
            self.memory.last = *process;
            self.orders.push(Order::LookAtMemory { process: *process });
        }
        self.relieve(now);
    }

    /// What a process holds was looked at.
    pub fn memory(&mut self, now: Instant, process: ProcessId, bytes: u64) {
        let Some(realm) = self.realms.get_mut(&process) else { return };
        let before = std::mem::replace(&mut realm.resident, bytes);
        self.memory.sum = self.memory.sum.saturating_sub(before) + bytes;
        if bytes > self.limits.resident {
            let what = format!(
                "killed: its realm held {} MB of memory, {} MB are allowed (scripts.realmResident)",
                bytes >> 20,
                self.limits.resident >> 20
            );
            self.kill(now, process, Cause::Overran { what, script: None });
        }
        self.relieve(now);
    }

    fn relieve(&mut self, now: Instant) {
        let most = self.limits.all_resident;
        if self.memory.sum <= most {
            if std::mem::take(&mut self.memory.short) {
                let what = format!("realms hold {} MB: all events go on", self.memory.sum >> 20);
                self.notes.push(Note::Scarce { what, over: true });
            }
            return;
        }
        // What those hold that are ending is as good as free.
        let ending = |realm: &Realm| matches!(realm.state, State::Ending { .. }).then_some(realm.resident);
        let freed: u64 = self.realms.values().filter_map(ending).sum();
        let Some(mut over) = self.memory.sum.saturating_sub(freed).checked_sub(most).filter(|over| *over > 0) else {
            return;
        };
        let mut idle: Vec<(Instant, ProcessId, u64)> = self
            .realms
            .iter()
            .filter_map(|(id, realm)| match realm.state {
                State::Idle { since } => Some((since, *id, realm.resident)),
                _ => None,
            })
            .collect();
        idle.sort_unstable();
        for (_, realm, bytes) in idle {
            if over == 0 {
                return;
            }
            self.close_realm(now, realm);
            over = over.saturating_sub(bytes);
        }
        self.end_unused_zygotes(now);
        if over > 0 && !std::mem::replace(&mut self.memory.short, true) {
            let what = format!(
                "realms hold {} MB: no bot gets another one until they hold less than {} MB (`scripts.allResident`)",
                self.memory.sum >> 20,
                most >> 20
            );
            self.notes.push(Note::Scarce { what, over: false });
        }
    }

    fn end_unused_zygotes(&mut self, now: Instant) {
        let unused: Vec<ProcessId> = self
            .zygotes
            .iter()
            .filter(|(_, zygote)| {
                matches!(&zygote.role, Role::Bot { bot, .. } if !bot.is_empty())
                    && zygote.loaded
                    && zygote.children == 0
                    && now.saturating_duration_since(zygote.used) > UNUSED
            })
            .map(|(id, _)| *id)
            .collect();
        for zygote in unused {
            if let Some(bot) = self.bot_of(zygote)
                && let Some(lane) = self.lanes.get_mut(&bot)
                && lane.zygote == Some(zygote)
            {
                lane.zygote = None;
            }
            self.end_zygote(zygote);
        }
    }
}
