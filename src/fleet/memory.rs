//! How much memory the processes of scripts hold. A realm that holds too much is killed, and its event is over. While all together
//! hold too much, idle realms go, those that were idle for longest first, then zygotes that nobody uses; if that does not
//! help, no bot gets another realm beside the one that it has.

use std::time::Instant;

use super::orders::{Cause, Note, Order, ProcessId};
use super::state::{Fleet, Realm, Role, State, Zygote};

/// Processes that are looked at at once: reading what one holds takes the kernel a while.
const AT_ONCE: usize = 32;
/// Of those, realms that compute, which alone may grow, are at most so many; the others have their turn, too.
const COMPUTING: usize = 24;

impl Fleet {
    /// Whether nothing may be begun: too much is held, and something runs whose end will change that. What lives on for ever
    /// keeps no event from being run.
    pub(super) fn is_out_of_memory(&self) -> bool {
        let ends = |realm: &Realm| !realm.is_idle() && !realm.lives_on();
        self.memory.short && self.realms.values().any(ends)
    }

    /// Has some processes looked at, in turn.
    pub(super) fn look_at_memory(&mut self, now: Instant) {
        let made = |id: &ProcessId| self.realms.get(id).is_some_and(|realm| realm.made.is_some());
        let mut turn: Vec<ProcessId> = self.computing.iter().copied().filter(made).take(COMPUTING).collect();
        // The root is made by no other.
        let made_zygote = |zygote: &Zygote| (zygote.made.is_some() || zygote.loaded) && !zygote.ending;
        let zygotes = self.zygotes.iter().filter(|(_, zygote)| made_zygote(zygote));
        let mut all: Vec<ProcessId> = self.realms.keys().copied().filter(made).collect();
        all.extend(zygotes.map(|(id, _)| *id));
        all.sort_unstable();
        let from = all.partition_point(|id| *id <= self.memory.last);
        for process in all[from..].iter().chain(&all[..from]) {
            if turn.len() >= AT_ONCE {
                break;
            }
            self.memory.last = *process;
            if !turn.contains(process) {
                turn.push(*process);
            }
        }
        self.orders.extend(turn.into_iter().map(|process| Order::LookAtMemory { process }));
        self.relieve(now);
    }

    /// What a process holds was looked at.
    pub fn memory(&mut self, now: Instant, process: ProcessId, bytes: u64) {
        let realm = self.realms.get_mut(&process).map(|realm| &mut realm.resident);
        let Some(held) = realm.or_else(|| self.zygotes.get_mut(&process).map(|zygote| &mut zygote.resident)) else {
            return;
        };
        let before = std::mem::replace(held, bytes);
        self.memory.sum = self.memory.sum.saturating_sub(before) + bytes;
        if bytes > self.limits.resident && self.zygotes.contains_key(&process) {
            self.fat_zygote(process, bytes);
        } else if bytes > self.limits.resident {
            let what = format!(
                "killed: its realm held {} MB of memory, {} MB are allowed (scripts.realmResident)",
                bytes >> 20,
                self.limits.resident >> 20
            );
            self.kill(now, process, Cause::Overran { what, script: None });
        }
        self.relieve(now);
    }

    /// What a zygote loads holds more than a realm may. One that has loaded it goes on, as its realms share it: by themselves each
    /// would hold as much, and be killed. One that is still at it may never end, and is killed.
    fn fat_zygote(&mut self, process: ProcessId, bytes: u64) {
        let Some(zygote) = self.zygotes.get_mut(&process) else { return };
        if zygote.role == Role::Root || zygote.killed.is_some() {
            return;
        }
        if !zygote.loaded {
            zygote.killed = Some("it held too much memory (scripts.realmResident)");
            self.orders.push(Order::Kill { process });
            return;
        }
        let (role, held, allowed) = (zygote.role.clone(), bytes >> 20, self.limits.resident >> 20);
        let who = match &role {
            Role::Bot { bot, .. } if !bot.is_empty() => format!("what the bot {bot} loads"),
            Role::Bot { .. } => "what there is without a bot".to_owned(),
            _ => "what all bots share of packages".to_owned(),
        };
        if self.memory.fat.insert(who.clone(), role.clone()) != Some(role) {
            let what = format!(
                "{who} holds {held} MB of memory before any event, {allowed} MB are allowed to a realm \
                 (`scripts.realmResident`): load less at the top of files and packages, or raise the limit"
            );
            self.notes.push(Note::Scarce { what, over: false });
        }
    }

    fn relieve(&mut self, now: Instant) {
        let most = self.limits.all_resident;
        if self.memory.sum <= most {
            if std::mem::take(&mut self.memory.short) {
                self.memory.shortage.went_well();
            }
            return;
        }
        // What those hold that are ending is as good as free.
        let realms = self.realms.values().filter(|realm| realm.is_ending()).map(|realm| realm.resident);
        let zygotes = self.zygotes.values().filter(|zygote| zygote.ending).map(|zygote| zygote.resident);
        let freed: u64 = realms.chain(zygotes).sum();
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
        let unused: Vec<ProcessId> = self.unused_zygotes(now).collect();
        for zygote in unused {
            if over == 0 {
                return;
            }
            over = over.saturating_sub(self.zygotes.get(&zygote).map_or(0, |zygote| zygote.resident));
            self.end_unused(zygote);
        }
        if over > 0 && !std::mem::replace(&mut self.memory.short, true) && self.memory.shortage.met(now) {
            let what = format!(
                "processes of scripts hold {} MB: no bot gets another realm beside the one that it has until they hold \
                 less than {} MB (`scripts.allResident`)",
                self.memory.sum >> 20,
                most >> 20
            );
            self.notes.push(Note::Scarce { what, over: false });
        }
    }
}
