//! How much memory the processes of scripts hold. A realm that holds too much is killed, and its event is over. A bot that
//! holds more than its share gets no other realm until it holds less; others do not notice. While all together hold too much,
//! idle realms go, those of bots over their share and those that were idle for longest first, then zygotes that nobody uses.

use std::collections::BTreeMap;
use std::time::Instant;

use super::machine::CALM;
use super::orders::{Cause, Note, Order, ProcessId};
use super::state::{Fleet, Lane, Realm, Role, State, Zygote};
use crate::shares;

/// Processes that are looked at at once: reading what one holds takes the kernel a while.
const AT_ONCE: usize = 32;
/// Of those, realms that compute, which alone may grow, are at most so many; the others have their turn, too.
const COMPUTING: usize = 24;
/// So many times as much as is free may a bot hold: four fifths of all alone, four ninths beside another that takes all it can
/// get. Realms that wait hold little each and are many, so one busy bot is not kept to the half.
const TIMES_FREE: u64 = 4;

/// What may be held, as it is known at a moment.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// By all processes.
    most: u64,
    /// By all processes, as it is.
    sum: u64,
    /// By each bot, if all held the same and one more came.
    even: u64,
}

impl Room {
    /// Whether a bot is over its share that holds so much, of which so much is in no sum yet.
    fn is_over(self, held: u64, unknown: u64) -> bool {
        held > self.even && !shares::may_hold(held / TIMES_FREE, self.sum.saturating_add(unknown), self.most)
    }
}

impl Fleet {
    fn room(&self) -> Room {
        let most = self.limits.all_resident;
        Room { most, sum: self.memory.sum, even: most / (self.memory.holders + 1) }
    }

    /// Whether the bot of that lane holds so much that it gets no other realm: more than it would if all had the same, and
    /// more than a few times of what is free.
    pub(super) fn is_over_share(&self, lane: &Lane) -> bool {
        let unknown = unknown(lane, &self.zygotes);
        self.room().is_over(lane.resident.saturating_add(unknown), unknown)
    }

    /// The same, where something of the bot runs whose end will change that. What lives on for ever keeps no event from being run.
    pub(super) fn must_wait_for_memory(&self, bot: &str) -> bool {
        let ends = |realm: &Realm| *realm.bot == *bot && !realm.is_idle() && !realm.lives_on();
        self.lanes.get(bot).is_some_and(|lane| self.is_over_share(lane)) && self.realms.values().any(ends)
    }

    /// Says once which bots get no other realm.
    fn look_at_shares(&mut self, now: Instant) {
        self.memory.holders = self.lanes.values().filter(|lane| lane.realms > 0).count() as u64;
        let room = self.room();
        for (bot, lane) in &mut self.lanes {
            let unknown = unknown(lane, &self.zygotes);
            let held = lane.resident.saturating_add(unknown);
            if room.is_over(held, unknown) {
                if lane.shortage.met(now) {
                    let what = format!(
                        "the realms of {} hold {} MB, those of all bots {} MB of {} MB (`scripts.allResident`): it gets \
                         no other until it holds less than {TIMES_FREE} times what is free",
                        whose(bot),
                        held >> 20,
                        room.sum.saturating_add(unknown) >> 20,
                        room.most >> 20
                    );
                    self.notes.push(Note::Scarce { what, over: false });
                }
            } else {
                lane.shortage.went_well();
                if lane.shortage.ends(now, CALM).is_some() {
                    let what = format!("the realms of {} hold {} MB: it gets others again", whose(bot), held >> 20);
                    self.notes.push(Note::Scarce { what, over: true });
                }
            }
        }
    }

    /// A realm is gone.
    pub(super) fn frees(&mut self, bot: &str, bytes: u64) {
        self.memory.gone(bytes);
        if let Some(lane) = self.lanes.get_mut(bot) {
            lane.looked_at(bytes, 0);
        }
    }

    /// Has some processes looked at, in turn.
    pub(super) fn look_at_memory(&mut self, now: Instant) {
        let made = |id: &ProcessId| self.realms.get(id).is_some_and(|realm| realm.made.is_some());
        let mut turn: Vec<ProcessId> = self.computing.iter().copied().filter(made).take(COMPUTING).collect();
        // The root is made by no other. One that is told to end, and is stopped, does not.
        let made_zygote = |zygote: &Zygote| zygote.made.is_some() || zygote.loaded;
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
        self.look_at_shares(now);
        self.relieve(now);
    }

    /// What a process holds was looked at.
    pub fn memory(&mut self, now: Instant, process: ProcessId, bytes: u64) {
        let before = if let Some(realm) = self.realms.get_mut(&process) {
            let before = std::mem::replace(&mut realm.resident, bytes);
            if let Some(lane) = self.lanes.get_mut(&realm.bot) {
                lane.looked_at(before, bytes);
            }
            before
        } else if let Some(zygote) = self.zygotes.get_mut(&process) {
            std::mem::replace(&mut zygote.resident, bytes)
        } else {
            return;
        };
        self.memory.sum = self.memory.sum.saturating_sub(before) + bytes;
        if bytes > self.limits.resident && self.zygotes.contains_key(&process) {
            self.fat_zygote(process, bytes);
        } else if bytes > self.limits.resident {
            let what = self.too_large(bytes);
            self.kill(now, process, Cause::Overran { what, script: None });
        }
        self.relieve(now);
    }

    /// What is said of a realm that holds more than it may.
    pub(super) fn too_large(&self, bytes: u64) -> String {
        format!(
            "killed: its realm held {} MB of memory, {} MB are allowed (scripts.realmResident)",
            bytes >> 20,
            self.limits.resident >> 20
        )
    }

    /// What a zygote loads holds more than a realm may. One that has loaded it goes on, as its realms share it: by themselves each
    /// would hold as much, and be killed. One that is still at it may never end, and is killed.
    fn fat_zygote(&mut self, process: ProcessId, bytes: u64) {
        let Some(zygote) = self.zygotes.get_mut(&process) else { return };
        if zygote.role == Role::Root || zygote.killed.is_some() || zygote.ending {
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
        let within = |bot: &str| self.lanes.get(bot).is_some_and(|lane| !self.is_over_share(lane));
        let mut idle: Vec<(bool, Instant, ProcessId, u64)> = self
            .realms
            .iter()
            .filter_map(|(id, realm)| match realm.state {
                State::Idle { since } => Some((within(&realm.bot), since, *id, realm.resident)),
                _ => None,
            })
            .collect();
        idle.sort_unstable();
        for (_, _, realm, bytes) in idle {
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
                "processes of scripts hold {} MB: realms that nobody uses end, and bots that hold more than their share get no \
                 other until all hold less than {} MB (`scripts.allResident`)",
                self.memory.sum >> 20,
                most >> 20
            );
            self.notes.push(Note::Scarce { what, over: false });
        }
    }
}

/// What the realms of a lane may hold that were made since and never looked at: many can be within a second. Each counts as
/// those do on average that were, or as what it is a copy of where none was.
fn unknown(lane: &Lane, zygotes: &BTreeMap<ProcessId, Zygote>) -> u64 {
    let never = lane.realms.saturating_sub(lane.known) as u64;
    if never == 0 {
        return 0;
    }
    let zygote = || lane.zygote.and_then(|zygote| zygotes.get(&zygote)).map_or(0, |zygote| zygote.resident);
    never.saturating_mul(lane.resident.checked_div(lane.known as u64).unwrap_or_else(zygote))
}

fn whose(bot: &str) -> String {
    if bot.is_empty() { "hooks without a bot".to_owned() } else { format!("bot {bot}") }
}
