//! How processes come to be and end: what a zygote says of its copies, sockets that are at their end, SIGKILL, burial.

use std::time::{Duration, Instant};

use super::broken::{Rule, is_broken};
use super::orders::{Cause, Death, Note, Order, ProcessId};
use super::state::{Fleet, Realm, State};
use crate::protocol::Glimpse;

/// What ends a process for what it does itself. No script can send a signal, so every other one came from somebody else: from
/// the system where memory is short, an administrator, `ulimit`.
const OWN_SIGNALS: [i32; 7] =
    [libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGBUS, libc::SIGFPE, libc::SIGSEGV, libc::SIGSYS];
/// How long the end of a process is waited to be told of. A zygote that is busy, on a machine that is, takes a while: an end of
/// which nobody knows how it came is nobody's doing.
const FORGOTTEN: Duration = Duration::from_secs(20);
/// How long a realm may take to end by itself that is to be gone.
const STUBBORN: Duration = Duration::from_secs(2);

impl Fleet {
    /// The zygote has made a copy, to which the system gave that number.
    pub fn forked(&mut self, now: Instant, zygote: ProcessId, child: ProcessId, pid: u32) {
        if let Some(realm) = self.realms.get_mut(&child) {
            realm.made = Some(pid);
            // Its end may be known before its beginning.
            if let State::Ending { closed: true, cause, .. } = &mut realm.state {
                if *cause == Some(Cause::Innocent) {
                    *cause = Some(Cause::Crashed { what: "its realm died".into(), script: None });
                }
                self.have_buried(now, child);
            }
        } else if let Some(copy) = self.zygotes.get_mut(&child) {
            (copy.made, copy.since) = (Some(pid), now);
        } else if !self.compiler_forked(now, child, pid) {
            // It is gone already.
            self.bury(Some(zygote), child, Some(pid));
        }
        self.scarce = None;
        self.refusals.went_well();
    }

    /// A copy was not made, and will not be.
    pub fn never_made(&mut self, now: Instant, child: ProcessId) {
        let Some(realm) = self.realms.get(&child) else { return self.closed(now, child) };
        let zygote = realm.zygote;
        self.closed(now, child);
        if self.zygotes.contains_key(&zygote) {
            self.buried(child, None);
        }
    }

    /// Has a zygote bury a child of its, if both are there: who has no parent any more is buried by the system.
    pub(super) fn bury(&mut self, zygote: Option<ProcessId>, child: ProcessId, pid: Option<u32>) -> bool {
        let Some((zygote, pid)) = zygote.zip(pid) else { return false };
        let buries = self.zygotes.get(&zygote).is_some_and(|zygote| !zygote.ending);
        if buries {
            self.orders.push(Order::Bury { zygote, child, pid });
        }
        buries
    }

    /// Kills a realm for a reason. What it has sent so far is still read; when it is buried, its work is told of.
    pub fn kill(&mut self, now: Instant, process: ProcessId, cause: Cause) {
        self.stop_computing(process);
        let Some(realm) = self.realms.get_mut(&process) else {
            if self.zygotes.contains_key(&process) || self.compilers.contains_key(&process) {
                self.orders.push(Order::Kill { process });
            }
            return;
        };
        let cause = match &mut realm.state {
            State::Busy(_) => Some(cause),
            State::Idle { .. } => None,
            State::Ending { killed, .. } => {
                if !std::mem::replace(killed, true) {
                    self.orders.push(Order::Kill { process });
                }
                return;
            }
        };
        if let Some(lane) = self.lanes.get_mut(&realm.bot) {
            lane.forget(process);
        }
        realm.state = State::Ending { since: now, cause, closed: false, killed: true };
        self.orders.push(Order::Kill { process });
    }

    /// The place of a realm on the board.
    pub fn place(&self, realm: ProcessId) -> Option<u16> {
        self.realms.get(&realm).map(|realm| realm.slot)
    }

    /// What stands on the place of a realm that is at its end.
    pub fn was_at(&mut self, realm: ProcessId, seen: Glimpse) {
        if let Some(realm) = self.realms.get_mut(&realm) {
            realm.script = Some(seen.script).filter(|script| *script != u32::MAX);
        }
    }

    /// The socket of a process is at its end, and all it sent was handled.
    pub fn closed(&mut self, now: Instant, process: ProcessId) {
        if self.zygotes.contains_key(&process) {
            return self.zygote_gone(now, process);
        }
        if self.compiler_gone(process) {
            return;
        }
        self.stop_computing(process);
        let Some(realm) = self.realms.get_mut(&process) else { return };
        if let Some(lane) = self.lanes.get_mut(&realm.bot) {
            lane.forget(process);
        }
        match &mut realm.state {
            State::Ending { closed, .. } => *closed = true,
            state => {
                let busy = matches!(state, State::Busy(_));
                let cause = busy.then(|| match realm.made {
                    Some(_) => Cause::Crashed { what: "its realm died".into(), script: None },
                    None => Cause::Innocent,
                });
                *state = State::Ending { since: now, cause, closed: true, killed: true };
            }
        }
        // It may have closed its socket and live on.
        self.orders.push(Order::Kill { process });
        self.have_buried(now, process);
    }

    /// A realm whose socket is at its end is buried by its zygote, which says how it ended; or it is to say first whether it
    /// made it at all.
    fn have_buried(&mut self, now: Instant, process: ProcessId) {
        let Some(Realm { zygote, made, state, .. }) = self.realms.get_mut(&process) else { return };
        if let State::Ending { since, .. } = state {
            *since = now;
        }
        let (zygote, made) = (*zygote, *made);
        if made.is_none() && self.zygotes.contains_key(&zygote) {
            return;
        }
        if !self.bury(Some(zygote), process, made) {
            self.buried(process, None);
        }
    }

    /// A realm that is gone had grown by so many bytes beyond its zygote.
    pub fn had_grown(&mut self, realm: ProcessId, bytes: u64) {
        if let Some(realm) = self.realms.get_mut(&realm) {
            realm.grew = bytes;
        }
    }

    /// The process is gone, and how: as its zygote says, or unknown.
    pub fn buried(&mut self, process: ProcessId, how: Option<&str>) {
        let gone = |realm: &Realm| matches!(realm.state, State::Ending { closed: true, .. });
        if !self.realms.get(&process).is_some_and(gone) {
            return;
        }
        let Some(realm) = self.realms.remove(&process) else { return };
        if !is_broken(Rule::SlotsComeBack) {
            self.slots.push_back(realm.slot);
        }
        self.frees(&realm.bot, realm.resident);
        if let Some(lane) = self.lanes.get_mut(&realm.bot) {
            lane.realms = lane.realms.saturating_sub(1);
        }
        self.forget_idle_zygote(realm.zygote);
        let script = realm.script;
        let State::Ending { cause: Some(mut cause), .. } = realm.state else { return };
        if let Cause::Crashed { .. } = cause {
            let fat = (realm.grew > self.limits.resident).then(|| self.too_large(realm.grew));
            cause = how_it_died(how, script, fat);
        }
        if !is_broken(Rule::DeathsAreTold) {
            self.notes.push(Note::Died(Death { realm: process, cause }));
        }
    }

    /// Realms that wait to be buried by a zygote that is gone: nobody will say how they ended.
    pub(super) fn bury_orphans(&mut self, zygote: ProcessId) {
        let orphan =
            |realm: &Realm| realm.zygote == zygote && matches!(realm.state, State::Ending { closed: true, .. });
        let orphans: Vec<ProcessId> = self.realms.iter().filter(|(_, one)| orphan(one)).map(|(id, _)| *id).collect();
        for process in orphans {
            self.buried(process, None);
        }
    }

    /// Realms that were told to end, or said that they would, and have not.
    pub(super) fn end_the_stubborn(&mut self, now: Instant) {
        if is_broken(Rule::EndingRealmsEnd) {
            return;
        }
        for (process, realm) in &mut self.realms {
            if let State::Ending { since, killed, .. } = &mut realm.state
                && !*killed
                && now.saturating_duration_since(*since) > STUBBORN
            {
                *killed = true;
                self.orders.push(Order::Kill { process: *process });
            }
        }
    }

    /// A realm whose end nobody tells of, since its zygote hangs, which is killed.
    pub(super) fn bury_the_forgotten(&mut self, now: Instant) {
        let forgotten = |realm: &Realm| match &realm.state {
            State::Ending { since, closed, .. } => *closed && now.saturating_duration_since(*since) > FORGOTTEN,
            _ => false,
        };
        let forgotten: Vec<ProcessId> =
            self.realms.iter().filter(|(_, realm)| forgotten(realm)).map(|(id, _)| *id).collect();
        for process in forgotten {
            if let Some(zygote) = self.realms.get(&process).map(|realm| realm.zygote)
                && let Some(entry) = self.zygotes.get_mut(&zygote).filter(|entry| entry.killed.is_none())
            {
                entry.killed = Some("it did nothing any more");
                self.orders.push(Order::Kill { process: zygote });
            }
            self.buried(process, None);
        }
    }
}

/// What is said of a realm that died and that the server has not killed. It had grown by more than it may where that is said.
fn how_it_died(how: Option<&str>, script: Option<u32>, fat: Option<String>) -> Cause {
    let signal = how.and_then(|how| how.strip_prefix("signal: ")?.parse::<i32>().ok());
    let own = signal.is_some_and(|signal| OWN_SIGNALS.contains(&signal));
    match (how, fat) {
        (Some(how), _) if own || how.starts_with("exit status") => {
            Cause::Crashed { what: format!("its realm died ({how})"), script }
        }
        // The system was faster than the server, which looks at what it holds now and then.
        (Some(_), Some(fat)) if !is_broken(Rule::WhatGrowsTooLargeIsOver) => Cause::Overran { what: fat, script },
        (Some(how), _) if signal.is_some() => {
            Cause::Killed { what: format!("its realm was killed by somebody else ({how})"), script }
        }
        _ => Cause::Killed { what: "its realm died, and nobody can tell how".into(), script },
    }
}
